"""The flows on a real Prefect server: from one source to every target, whatever fails."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipelines import guards
from pipelines.adapt import adapting
from pipelines.fanout import fan_out
from pipelines.group_spec import GroupSpec
from pipelines.locks import hold
from pipelines.plan import TransferSpec
from pipelines.spec import AdaptSpec, LearnSpec

ROOT = Path(__file__).parents[2]
DOWN = "http://127.0.0.1:9"  # nothing listens at the discard port


def test_every_target_comes_from_the_one_source_prompt(transferred):
    home, said = transferred
    source = home.query("SELECT sha FROM prompt WHERE kind = 'source'")
    read = home.query(
        "SELECT run.task, run_prompt.prompt_sha FROM run JOIN run_prompt ON run.id = run_id "
        "WHERE stage = 'adapt' AND role = 'source' ORDER BY run.task"
    )
    assert len(source) == 1
    assert read == [("cb", source[0][0]), ("cola", source[0][0])]
    for task in ("cb", "cola"):
        assert f"{task}: softprompt." in said.out  # registered, with its name and version


def test_a_second_run_trains_nothing_and_finds_the_same_scores(transferred, after_transfer):
    before = after_transfer.query("SELECT id FROM run ORDER BY id")
    again = after_transfer.run("run", transferred[0].folder / "spec.yaml", "--json")
    assert again.status == 0
    assert after_transfer.query("SELECT id FROM run ORDER BY id") == before
    # stdout is JSON alone, and says what the table of the first run said.
    report = again.json
    assert [row["task"] for row in report["rows"]] == ["cola", "cb"]
    assert report["unregistered"] == ""
    for row in report["rows"]:
        assert f"{row['task']}: {row['version']}\n" in transferred[1].out
        line = next(one for one in transferred[1].out.splitlines() if one.startswith(row["task"]))
        for score in (row["majority"], row["zero_shot"], row["scratch"]["values"][0]):
            assert f" {score:.1f} " in line


def test_a_line_on_stderr_tells_of_each_job_where_there_is_no_terminal(transferred):
    lines = transferred[1].err.splitlines()
    assert len([line for line in lines if ": done in " in line]) == 15  # 7 trainings, 8 tests
    assert lines[0].startswith("teach rte seed 0: done in ")
    assert lines[-1].endswith(" 94/94 steps")


def test_one_bad_target_does_not_stop_the_others_and_is_named(transferred, after_transfer, spec):
    home = after_transfer
    request = home.query("SELECT request_sha FROM run WHERE stage = 'adapt' AND task = 'cb'")[0][0]
    # As if the adaptation of cb had never ended, and another process were at it now.
    lineage = home.lineage()
    with lineage.database.engine.begin() as connection:
        guards.drop(connection)
        connection.exec_driver_sql(
            "UPDATE run SET status = 'failed' WHERE task = 'cb' AND stage = 'adapt'"
        )
    before = home.runs()
    try:
        with hold(lineage.database.engine, lineage.locks, request):
            said = home.run("run", home.write(spec))
    finally:
        lineage.close()
    assert said.status == 75  # the only failure is one that waiting cures
    assert "1 of 2 targets failed (cb: Busy" in said.err.splitlines()[-1]
    assert "Traceback" not in said.err
    assert home.runs() == before


def test_a_job_that_breaks_is_status_4_and_the_other_target_is_finished(home, spec, server):
    # A defect of the machine: nothing that a check could see.
    from pipelines import job

    broken = job.adapt

    def adapt(spec, source, svc):
        if spec.task == "cb":
            raise RuntimeError("the disk is on fire")
        return broken(spec, source, svc)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job, "adapt", adapt)
        said = home.run("run", home.write(spec))
    assert said.status == 4
    last = said.err.splitlines()[-1]
    assert "1 of 2 targets failed (cb: RuntimeError: the disk is on fire)" in last
    assert "adapt cb seed 0: failed in " in said.err
    assert "Traceback" not in said.err
    tested = "SELECT task FROM run WHERE stage = 'adapt' AND status = 'completed'"
    assert home.query(tested) == [("cola",)]
    assert home.query("SELECT count(*) FROM registration WHERE task = 'cola'") == [(2,)]


def test_a_source_that_fails_is_told_once_and_not_for_each_target(home, spec, server):
    from pipelines import job

    def learn(spec, teachers, svc):
        raise RuntimeError("no memory")

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(job.STAGES, LearnSpec, learn)
        said = home.run("run", home.write(spec | {"targets": ["cb"]}), mlflow_url=DOWN)
    assert said.status == 4
    told = "1 of 1 source prompts failed (seed 0: RuntimeError: no memory)"
    assert told in said.err.splitlines()[-1]
    assert said.out == ""


def test_a_registry_that_is_down_costs_nothing_and_gets_all_of_it_later(home, spec, server):
    began = time.monotonic()
    said = home.run("learn", home.write(spec), "--json", mlflow_url=DOWN)
    seconds = time.monotonic() - began
    assert said.status == 0
    assert "MLflow failed" in said.json[0]["unregistered"]
    assert said.json[0]["version"] == ""
    places = "SELECT task, version FROM registration ORDER BY task"
    assert home.query(places) == [("mrpc", None), ("multitask", None), ("rte", None)]
    assert seconds < 60  # MLflow's own client would try for four minutes
    again = home.run("learn", home.write(spec), "--json")
    assert again.json[0]["version"].endswith(".multitask/1")
    assert again.json[0]["unregistered"] == ""
    assert home.query(places) == [("mrpc", 1), ("multitask", 1), ("rte", 1)]
    assert home.query("SELECT subject FROM outbox WHERE told_at IS NULL") == []


def test_two_workers_do_two_jobs_at_once_and_end(home, spec, server, transferred):
    said = home.run("run", home.write(spec), mlflow_url=DOWN, workers=2)
    assert said.status == 0, said.err
    made = "SELECT task, sha FROM prompt ORDER BY sha"
    assert home.query(made) == transferred[0].query(made)
    at_once = "SELECT count(*) FROM run a, run b WHERE a.started_at < b.started_at AND "
    overlap = at_once + "b.started_at < a.ended_at"
    assert home.query(overlap) != [(0,)]
    assert transferred[0].query(overlap) == [(0,)]  # one worker does one after the other
    assert said.err.splitlines()[-1].endswith(" 94/94 steps")


def test_what_all_targets_wait_for_goes_first_and_then_one_target_after_the_other(transferred):
    order = transferred[0].query("SELECT stage, task FROM run ORDER BY started_at")
    assert order[:3] == [("teach", "rte"), ("teach", "mrpc"), ("learn", "multitask")]
    targets = [task for _, task in order[3:]]
    assert targets == ["cola"] * 6 + ["cb"] * 6
    assert [stage for stage, _ in order[3:7]] == ["teach", "evaluate", "adapt", "evaluate"]


def test_specs_travel_through_prefect_as_json(spec):
    whole = TransferSpec.model_validate(spec)
    assert TransferSpec.model_validate_json(whole.model_dump_json()) == whole
    one = whole.adapt_spec("cb", 0)
    assert AdaptSpec.model_validate(json.loads(one.model_dump_json())) == one
    from flows.transfer import adapt_group, adapt_target, transfer

    assert transfer.validate_parameters({"spec": whole.model_dump(mode="json")})["spec"] == whole
    given = {"targets": [one.model_dump(mode="json")], "source": "best"}
    assert adapt_target.validate_parameters(given)["targets"] == [one]
    group = GroupSpec(tasks=["cb", "cola"], steps=3)
    given = {"spec": group.model_dump(mode="json"), "source": "best"}
    assert adapt_group.validate_parameters(given)["spec"] == group


LONG = {"steps": 150, "batch_size": 4, "validations": 2}


@pytest.fixture
def start(server):
    """Start `prompt-transfer learn` in another process."""
    started = []

    def start(home, spec):
        process = subprocess.Popen(
            [sys.executable, "-m", "flows", "learn", str(home.write(spec)), "--json"],
            env={**os.environ, **home.settings, "PROMPT_TRANSFER_MLFLOW_URL": DOWN}
            | {"PYTHONPATH": str(ROOT), "PREFECT_API_URL": server},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("ended_by", "left_as", "recorded"),
    [(signal.SIGKILL, "running", "abandoned"), (signal.SIGTERM, "failed", "failed")],
)
def test_a_run_killed_in_source_training_goes_on_and_ends_the_same(
    make_home, spec, start, ended_by, left_as, recorded
):
    long = spec | {"learn": LONG}
    home, other = make_home(), make_home()
    undisturbed = other.run("learn", other.write(long), "--json", mlflow_url=DOWN)
    killed = start(home, long)
    learning = "SELECT request_sha FROM run WHERE stage = 'learn' AND status = 'running'"
    while killed.poll() is None:
        under_way = home.query(learning)
        if under_way and (home.folder / "checkpoints" / f"{under_way[0][0]}.safetensors").exists():
            break
        time.sleep(0.02)
    killed.send_signal(ended_by)
    killed.wait()
    assert killed.returncode == (130 if ended_by == signal.SIGTERM else -signal.SIGKILL)
    assert home.query(learning.replace("'running'", f"'{left_as}'")), "it was killed too late"

    again = start(home, long)
    out, err = again.communicate(timeout=120)
    assert again.returncode == 0, err
    assert json.loads(out)[0]["prompt"] == undisturbed.json[0]["prompt"]
    attempts = home.query("SELECT attempt, status FROM run WHERE stage = 'learn' ORDER BY attempt")
    assert attempts == [(1, recorded), (2, "completed")]
    # Our lines, and not a word of any library.
    assert all(": done in " in line for line in err.splitlines()), err


def test_on_an_accelerator_targets_go_side_by_side_and_each_has_its_runs(
    server, home, spec, transferred, monkeypatch
):
    monkeypatch.setattr("flows.fanout.has_gpus", lambda: True)
    together = []

    def noted(specs, source, svc):
        together.append([spec.task for spec in specs])
        return fan_out(specs, source, svc)

    monkeypatch.setattr("pipelines.job.fan_out", noted)
    said = home.run("run", home.write(spec), "--json")
    assert said.status == 0, said.err
    assert together == [spec["sources"], spec["targets"], spec["targets"]]
    runs = "SELECT stage, task, status FROM run ORDER BY stage, task"
    assert home.query(runs) == transferred[0].query(runs)
    told = [target["task"] for target in said.json["rows"]]
    assert told == spec["targets"]


def test_side_by_side_a_target_that_fails_is_named_and_the_others_end(
    home, spec, server, monkeypatch
):
    monkeypatch.setattr("flows.fanout.has_gpus", lambda: True)

    def broken(spec, source, svc):
        if spec.task == "cola":
            raise MemoryError("no room")
        return (yield from adapting(spec, source, svc))

    monkeypatch.setattr("pipelines.fanout.adapting", broken)
    said = home.run("run", home.write(spec))
    assert said.status == 4
    assert "1 of 2 targets failed (cola: MemoryError: no room)" in said.err
    adapted = "SELECT task, status FROM run WHERE stage = 'adapt'"
    assert home.query(adapted) == [("cb", "completed")]


def test_side_by_side_what_stops_all_is_told_and_not_a_traceback(home, spec, server, monkeypatch):
    monkeypatch.setattr("flows.fanout.has_gpus", lambda: True)

    def broken(backbone, trainings):
        raise MemoryError("no room")

    monkeypatch.setattr("pipelines.fanout.together", broken)
    said = home.run("run", home.write(spec))
    assert said.status == 4
    assert "MemoryError: no room" in said.err
