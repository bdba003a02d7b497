"""`doctor` on the command line; and events of OpenLineage from real flows."""

import json
import logging
import os
import sqlite3
from unittest import mock

import pytest

from flows import installation, versions
from flows.publishing import publish
from flows.settings import open_lineage
from pipelines.records import Environment, Request

DOWN = "http://127.0.0.1:9"  # nothing listens at the discard port
WRONG = 5


def prompts(home):
    return [sha for (sha,) in home.query("SELECT sha FROM prompt ORDER BY sha")]


def stored(home, sha):
    return home.folder / "store" / sha[:2] / sha


def bytes_of(folder):
    return {
        str(path): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "lineage.db" not in path.name
    }


def test_after_a_real_transfer_nothing_is_wrong(after_transfer):
    before = bytes_of(after_transfer.folder)
    said = after_transfer.run("doctor")
    assert (said.status, said.out) == (0, "nothing is wrong\n")
    assert bytes_of(after_transfer.folder) == before


def test_what_is_wrong_is_said_then_repaired_and_then_gone(after_transfer):
    lost, *_ = prompts(after_transfer)
    stored(after_transfer, lost).unlink()

    said = after_transfer.run("doctor")
    assert said.status == WRONG
    assert f"{lost[:12]} is not in the store: --fix takes it back from softprompt." in said.out
    assert said.out.endswith("1 thing is wrong; --fix repairs 1\n")
    assert not stored(after_transfer, lost).exists()

    said = after_transfer.run("doctor", "--fix", "--json")
    assert (said.status, said.json["wrong"]) == (0, 0)
    (told,) = said.json["found"]
    assert (told["part"], told["state"], told["repairable"]) == ("store", "repaired", True)
    assert "  repaired\n" in said.err  # it was said before it was done; progress may follow
    assert stored(after_transfer, lost).exists()
    assert after_transfer.run("doctor").out == "nothing is wrong\n"


def test_what_cannot_be_repaired_stays_named_and_the_status_says_so(after_transfer):
    ((losses,),) = after_transfer.query("SELECT losses_sha FROM run WHERE losses_sha > '' LIMIT 1")
    stored(after_transfer, losses).write_bytes(b"rot")

    for words in ((), ("--fix",)):
        said = after_transfer.run("doctor", *words)
        assert said.status == WRONG
        assert "put it back from a backup of the store" in said.out
        assert said.out.endswith("1 thing is wrong; --fix repairs 0\n")
    told = after_transfer.run("doctor", "--json").json
    assert (told["wrong"], told["found"][0]["repairable"]) == (1, False)


def test_an_index_that_was_dropped_is_left_so_unless_it_is_to_be_mended(home):
    with sqlite3.connect(home.folder / "lineage.db") as connection:
        connection.execute("DROP INDEX ix_run_task")
    connection.close()

    def index():
        with sqlite3.connect(home.folder / "lineage.db") as connection:
            query = "SELECT count(*) FROM sqlite_master WHERE name = 'ix_run_task'"
            return connection.execute(query).fetchone()[0]

    assert home.run("doctor").status == WRONG
    assert index() == 0
    said = home.run("doctor", "--fix")
    assert said.out == (
        "schema: the index ix_run_task of run is missing or differs: --fix makes it anew\n"
        "  repaired\nall is well now\n"
    )
    assert (said.status, index()) == (0, 1)


def test_where_nothing_was_done_nothing_is_wrong_and_nothing_is_made(tmp_path, home):
    said = home.run("doctor", "--fix", home=tmp_path / "new")
    assert said.status == 0
    assert said.out.startswith("lineage: not examined: nothing was recorded yet")
    assert said.out.endswith("nothing is wrong\n")
    assert not (tmp_path / "new").exists()


def test_while_mlflow_is_down_it_is_said(home):
    said = home.run("doctor", mlflow_url=DOWN)
    assert said.status == 0
    assert said.out.startswith("registry: not examined: MLflow failed")


@pytest.mark.parametrize(("name", "value", "said"), [
    ("PROMPT_TRANSFER_DEVICE", "cuda:7", "PROMPT_TRANSFER_DEVICE is 'cuda:7', and torch"),
    ("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "true", "lets MLflow load pickles"),
])  # fmt: skip
def test_settings_that_do_harm_are_named(home, name, value, said):
    with mock.patch.dict(os.environ, {name: value}):
        got = home.run("doctor")
    assert got.status == WRONG
    assert said in got.out


def test_a_full_disk_and_broken_pairs_of_versions_are_named(home, monkeypatch):
    monkeypatch.setattr(installation, "ENOUGH", 10**18)
    pair = versions.Pair(">=3", "fastapi", "<0.1", "nothing works")
    monkeypatch.setattr(versions, "PAIRS", (pair,))
    got = home.run("doctor")
    assert got.status == WRONG
    assert "MB are free where" in got.out
    assert "nothing works: fastapi must be <0.1" in got.out


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_to_is_named(home):
    (home.folder / "store").mkdir()
    (home.folder / "store").chmod(0o500)
    got = home.run("doctor")
    (home.folder / "store").chmod(0o700)
    assert f"{home.folder}/store cannot be written to" in got.out


def test_a_long_examination_says_how_far_it_is(home, monkeypatch, capsys):
    from flows import doctor

    times = iter([0.0, 1.0, 3.0, 3.0, 4.0, 8.0, 8.0])
    monkeypatch.setattr(doctor.time, "monotonic", lambda: next(times))
    note = doctor._noting()
    for said in ("early", "after 2 s", "soon after", "after 4 more"):
        note(said)
    assert capsys.readouterr().err == "after 2 s\nafter 4 more\n"


def test_a_flow_sends_the_events_of_all_its_runs(transferred):
    home, _ = transferred
    events = [json.loads(line) for line in (home.folder / "events.jsonl").read_text().splitlines()]

    runs = home.runs()
    kinds = [one["eventType"] for one in events]
    assert (kinds.count("START"), kinds.count("COMPLETE"), len(kinds)) == (runs, runs, 2 * runs)
    jobs = {one["job"]["name"] for one in events}
    assert {"teach.rte", "learn.multitask", "adapt.cb", "evaluate.cola"} <= jobs
    made = {
        one["facets"]["version"]["datasetVersion"] for event in events for one in event["outputs"]
    }
    assert made == set(prompts(home))
    read = next(one for one in events if one["job"]["name"] == "adapt.cb")["inputs"]
    (source,) = [one for one in read if one["namespace"] == "prompt-transfer"]
    assert source["name"].endswith(".multitask")


@pytest.fixture
def settings(home):
    """Let this process work in `home`."""
    with mock.patch.dict(os.environ, home.settings):
        yield os.environ


def record_a_run():
    with open_lineage() as lineage:
        environment = Environment("cpu", 1)
        with lineage.record(Request("evaluate", "a" * 64, {}, 0, "rte", environment)):
            pass


def test_an_endpoint_that_is_down_fails_no_flow_and_catches_up(home, settings, caplog, tmp_path):
    settings["PROMPT_TRANSFER_OPENLINEAGE"] = DOWN
    record_a_run()
    with caplog.at_level(logging.WARNING):
        assert publish() == ""  # as a flow does at its end
    assert "OpenLineage's events cannot be sent to http://127.0.0.1:9" in caplog.text
    said = home.run("doctor")
    assert said.status == WRONG
    assert "outbox: OpenLineage was not sent 2 events yet" in said.out
    assert "  not repaired: events is still due" in home.run("doctor", "--fix").out

    said = home.run("publish", "--json", openlineage=tmp_path / "events.jsonl")
    assert len(said.json["events"]) == 2
    assert len((tmp_path / "events.jsonl").read_text().splitlines()) == 2
    assert home.run("doctor", openlineage=tmp_path / "events.jsonl").out == "nothing is wrong\n"


@pytest.mark.parametrize("endpoint", ["ftp://host/file", "http://", "http://host:port/", "."])
def test_an_endpoint_that_can_be_none_is_refused_at_once(home, endpoint):
    said = home.run("best", "rte", openlineage=endpoint)
    assert said.status == 2
    assert said.err.startswith("prompt-transfer: PROMPT_TRANSFER_OPENLINEAGE ")
