"""Events of OpenLineage: made from lineage, sent through the outbox, and never in anyone's way."""

import json
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import UUID

import pytest
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from sqlalchemy import select

from pipelines import outbox
from pipelines.event_endpoint import EndpointDown, send_events
from pipelines.lineage import Lineage
from pipelines.locks import Busy
from pipelines.records import GROUP
from pipelines.registry_tables import outbox as rows

# A worker whose run is under way until it is killed; its lineage is to tell of runs.
WORKER = """
import sys, time
from pathlib import Path
from pipelines.lineage import Lineage
from pipelines.records import BackboneInfo, Environment, Request

url, locks = sys.argv[1:]
lineage = Lineage.open(url, Path(locks), sinks=("openlineage",))
request = Request("teach", "a" * 64, {}, 0, "rte", Environment("cpu", 1),
                  BackboneInfo("b" * 64, "nano", 8, 2, 2, 10))
with lineage.record(request) as run:
    print(run.id, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def telling(url, locks):
    """Lineage whose runs are to be told of."""
    opened = Lineage.open(url, locks, sinks=("openlineage",))
    yield opened
    opened.close()


@pytest.fixture
def file(tmp_path):
    return tmp_path / "events" / "runs.jsonl"


@pytest.fixture
def sent(telling, file):
    """Send what is due to a file; return the events that were sent by now."""

    def send():
        assert send_events(telling, str(file)).failed == {}
        return [json.loads(line) for line in file.read_text().splitlines()]

    return send


def types(events):
    return [one["eventType"] for one in events]


def test_a_run_is_told_of_as_it_begins_and_as_it_ends(telling, sent, world):
    world.train(telling, "rte", "t", 50.0, stage="teach")
    run = world.train(telling, "rte", "p", 60.0, reads={"source": [world.sha("t")]})
    known = telling.get_run(run.id)

    events = sent()
    assert types(events) == ["START", "COMPLETE"] * 2
    start, end = events[2:]
    assert datetime.fromisoformat(start["eventTime"]) == known.started_at
    assert datetime.fromisoformat(end["eventTime"]) == known.ended_at
    for one in (start, end):
        assert one["run"]["runId"] == str(UUID(run.id))
        assert one["job"] == {"namespace": "prompt-transfer", "name": "adapt.rte", "facets": {}}
        assert one["producer"].startswith("urn:prompt-transfer:")
        asked = one["run"]["facets"]["promptTransfer_request"]
        assert (asked["specHash"], asked["attempt"]) == (known.request_sha, 1)
        assert one["inputs"] == start["inputs"]
    assert start["outputs"] == []
    model = f"softprompt.nano-t5-{world.backbone.sha[:8]}.rte"
    train, validation, source = start["inputs"]
    assert [(one["namespace"], one["name"]) for one in (train, validation, source)] == [
        ("generated", "rte/train"), ("generated", "rte/validation"), ("prompt-transfer", model),
    ]  # fmt: skip
    assert train["facets"]["version"]["datasetVersion"] == world.dataset("rte", "train").sha
    assert train["inputFacets"]["inputStatistics"]["rowCount"] == 40
    assert source["facets"]["version"]["datasetVersion"] == world.sha("t")
    (made,) = end["outputs"]
    assert (made["namespace"], made["name"]) == ("prompt-transfer", model)
    told = made["facets"]["promptTransfer_prompt"]
    assert (told["digest"], told["tokens"], told["kind"]) == (world.sha("p"), 5, "target")
    assert "rank" not in told  # a vanilla prompt has none


def test_each_event_is_one_that_the_library_itself_can_read(telling, sent, world):
    world.train(telling, "rte", "t", 50.0, stage="teach")
    with pytest.raises(ValueError, match="no"):
        world.fail(telling, world.request("adapt", "rte"), ValueError("no"))
    for one in sent():
        inputs = [InputDataset(**each) for each in one["inputs"]]
        outputs = [OutputDataset(**each) for each in one["outputs"]]
        given = {"run": Run(**one["run"]), "job": Job(**one["job"])}
        given |= {"inputs": inputs, "outputs": outputs, "eventTime": one["eventTime"]}
        again = RunEvent(eventType=RunState(one["eventType"]), producer=one["producer"], **given)
        assert again.schemaURL == one["schemaURL"]  # its validators took times and ids
        every = [one["run"], one["job"], *one["inputs"], *one["outputs"]]
        every += [{"facets": each.get("inputFacets", {})} for each in one["inputs"]]
        for facet in (facet for each in every for facet in each["facets"].values()):
            assert facet["_producer"] == one["producer"]
            assert facet["_schemaURL"].startswith(("https://openlineage.io/spec/", "urn:"))


def test_a_failure_is_told_with_its_error(telling, sent, world):
    request = world.request("adapt", "rte")
    with pytest.raises(MemoryError):
        world.fail(telling, request, MemoryError("out of\nmemory"))
    world.train(telling, "rte", "", 60.0)  # the same request again

    events = sent()
    assert types(events) == ["START", "FAIL", "START", "COMPLETE"]
    assert events[1]["run"]["facets"]["errorMessage"]["message"] == "MemoryError: out of memory"
    assert events[1]["run"]["facets"]["errorMessage"]["programmingLanguage"] == "python"
    assert "errorMessage" not in events[0]["run"]["facets"]
    assert events[1]["outputs"] == []
    attempts = [one["run"]["facets"]["promptTransfer_request"]["attempt"] for one in events]
    assert attempts == [1, 1, 2, 2]


def test_a_killed_run_is_told_of_when_it_is_given_up(telling, sent, world, python, url, locks):
    worker = python(WORKER, url, locks)
    killed = worker.stdout.readline().strip()
    assert types(sent()) == ["START"]
    worker.kill()
    worker.wait()
    until = time.monotonic() + 20
    while telling.reap(silent=0) != [killed]:
        assert time.monotonic() < until, "its lock is still held"
        time.sleep(0.05)

    events = sent()
    assert types(events) == ["START", "ABORT"]
    error = events[1]["run"]["facets"]["errorMessage"]["message"]
    assert error == "its process ended without a word"


def test_a_retry_tells_of_the_killed_run_before_itself(telling, sent, world, python, url, locks):
    worker = python(WORKER, url, locks)
    worker.stdout.readline()
    worker.kill()
    worker.wait()
    request = replace(world.request("teach", "rte"), sha="a" * 64)
    until = time.monotonic() + 20
    while True:
        try:
            with telling.record(request) as run:
                run.prompt = world.prompt("p")
            break
        except Busy:  # PostgreSQL notices a moment later that it is gone
            assert time.monotonic() < until
            time.sleep(0.05)
    assert types(sent()) == ["START", "ABORT", "START", "COMPLETE"]


def test_a_prompt_of_a_group_has_the_groups_run_as_its_parent(telling, sent, world):
    group = world.train(telling, GROUP, "g", 60.0)
    world.train(telling, "rte", "m", 60.0, reads={"source": [world.sha("g")]})

    *_, start, end = sent()
    for one in (start, end):
        parent = one["run"]["facets"]["parent"]
        assert parent["run"]["runId"] == str(UUID(group.id))
        assert (parent["job"]["namespace"], parent["job"]["name"]) == (
            "prompt-transfer", "adapt.group",
        )  # fmt: skip


def test_nothing_is_written_unless_it_is_asked_for(lineage, world, tmp_path):
    world.train(lineage, "rte", "t", 50.0, stage="teach")

    with lineage.database.reading() as connection:
        assert set(connection.scalars(select(rows.c.sink))) == {"registry", "gate"}
    assert send_events(lineage, str(tmp_path / "events.jsonl")).told == []
    assert not (tmp_path / "events.jsonl").exists()


def test_an_event_is_sent_once_and_a_cut_line_stays_alone(telling, sent, world, file):
    world.train(telling, "rte", "t", 50.0, stage="teach")
    first = sent()
    assert sent() == first
    with file.open("a") as cut:
        cut.write('{"half": ')
    world.train(telling, "rte", "u", 50.0, stage="teach")
    send_events(telling, str(file))

    lines = file.read_text().splitlines()
    assert lines[2] == '{"half": '
    assert types(map(json.loads, lines[3:])) == ["START", "COMPLETE"]


class Endpoint(ThreadingHTTPServer):
    """A server of OpenLineage: it keeps what it is sent, and answers with the next of `answers`."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.got, self.paths, self.answers = [], [], []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = self.server.answers.pop(0) if self.server.answers else 201
        if answer == 201:
            self.server.paths.append(self.path)
            self.server.got.append(json.loads(body))
        self.send_response(answer)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@contextmanager
def serving():
    server = Endpoint()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def lone(sqlite_url, locks):
    """Lineage on SQLite whose runs are to be told of."""
    opened = Lineage.open(sqlite_url, locks, sinks=("openlineage",))
    yield opened
    opened.close()


def test_an_endpoint_that_fails_at_first_is_told_all_in_order_later(lone, world):
    for number in range(3):
        world.train(lone, f"task{number}", "p", 50.0)
    with serving() as server:
        server.answers = [201, 503]
        with pytest.raises(EndpointDown, match="it answered 503"):
            send_events(lone, server.url)
        server.answers = [500]
        with pytest.raises(EndpointDown, match="they wait in lineage"):
            send_events(lone, server.url)
        assert len(send_events(lone, server.url).told) == 5

        assert set(server.paths) == {"/api/v1/lineage"}
        assert types(server.got) == ["START", "COMPLETE"] * 3
        names = [one["job"]["name"] for one in server.got]
        assert names == [f"adapt.task{number}" for number in (0, 0, 1, 1, 2, 2)]


def test_an_endpoint_that_is_down_costs_no_time_and_shows_no_password(lone, world):
    began = time.monotonic()
    world.train(lone, "rte", "p", 50.0)
    with pytest.raises(EndpointDown, match="Connection refused") as error:
        send_events(lone, "http://me:secret@127.0.0.1:9/path?key=secret")
    assert time.monotonic() - began < 2
    assert "http://127.0.0.1:9/path " in str(error.value)
    with lone.database.reading() as connection:
        kept = connection.scalars(select(rows.c.error).where(rows.c.sink == "openlineage"))
        assert "secret" not in str(error.value) + str(kept.all())
        assert len(outbox.due(connection, "openlineage", 10)) == 2


def test_an_event_that_is_refused_keeps_no_other_waiting(lone, world):
    run = world.train(lone, "rte", "p", 50.0)
    with serving() as server:
        server.answers = [422]
        delivered = send_events(lone, f"{server.url}/my/path?a=b")
        assert (delivered.told, list(delivered.failed)) == ([f"end {run.id}"], [run.id])
        assert "answered 422" in delivered.failed[run.id]
        assert server.paths == ["/my/path?a=b"]


def test_a_file_that_cannot_be_written_loses_nothing(lone, world, tmp_path):
    world.train(lone, "rte", "p", 50.0)
    (tmp_path / "file").write_text("")
    with pytest.raises(EndpointDown, match=r"FileExistsError|NotADirectoryError"):
        send_events(lone, str(tmp_path / "file" / "events.jsonl"))
    assert len(send_events(lone, str(tmp_path / "events.jsonl")).told) == 2
