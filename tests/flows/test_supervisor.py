"""A job in a process of its own: whatever kills it, or whoever started it, nothing is lost."""

import os
import re
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy.exc import OperationalError

from flows import supervisor, wire
from flows.devices import slots
from flows.errors import exit_status
from flows.job_log import NoLog, find_log
from flows.steps import TRANSIENT
from flows.supervisor import JobDied, supervise
from pipelines.ids import UnknownId
from pipelines.job import Job
from pipelines.locks import Busy
from pipelines.spec import TeachSpec
from pipelines.teach import teach
from tests.waiting import wait


@pytest.fixture
def here(monkeypatch, svc, tmp_path):
    """Jobs of this process work in the folder of `svc`, on slots of their own."""
    settings = {"HOME": tmp_path, "DATA": "", "SLOTS": tmp_path / "slots", "GPUS": "4,4"}
    for name, value in settings.items():
        monkeypatch.setenv(f"PROMPT_TRANSFER_{name}", str(value))
    return tmp_path


def spec(backbone, **others):
    return TeachSpec(backbone=backbone, task="mini_review", prompt_length=4, **others)


def pids(home):
    """Return the processes of all attempts at the only job."""
    (log,) = [one for one in (home / "logs").glob("*.log") if not one.is_symlink()]
    return [int(pid) for pid in re.findall(r"in process (\d+)", log.read_text())]


def test_a_killed_job_goes_on_from_its_checkpoint_and_ends_with_the_same_bytes(
    here, svc, services_at, migrated, tiny_backbone, tmp_path_factory
):
    asked = spec(tiny_backbone, steps=150, batch_size=4, validation_rows=20)
    job = Job.of([asked])
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(supervise, job, "teach", 2**30)
        wait(lambda: list((here / "checkpoints").glob("*.safetensors")), pause=0.02)
        held = [one for one in slots() if not one.free]
        os.kill(pids(here)[0], signal.SIGKILL)
        (run,) = running.result(240)
    assert {one.job for one in held} == {"teach"}
    assert all(one.free for one in slots())
    assert len(pids(here)) == 2
    attempts = svc.lineage.get_run(run)
    assert attempts.attempt == 2
    assert attempts.resumed_sha
    other = services_at(tmp_path_factory.mktemp("other"))
    undisturbed = other.lineage.get_run(teach(asked, other))
    other.lineage.close()
    assert svc.lineage.get_run(run).prompt == undisturbed.prompt
    # One log, found by the ids of the job and of both runs.
    log = find_log(here, job.id)
    assert find_log(here, run) == log
    assert len([one for one in log.parent.iterdir() if one.resolve() == log]) == 3
    assert f"run {run}: teach mini_review seed 0, attempt 2" in log.read_text()


def test_a_job_that_never_ends_is_ended_by_its_own_timer_and_given_up(
    here, tiny_backbone, monkeypatch
):
    monkeypatch.setenv("PROMPT_TRANSFER_JOB_SECONDS", "1")
    job = Job.of([spec(tiny_backbone, steps=10**6)])
    with pytest.raises(JobDied, match=f"3 times .* SIGALRM: see `prompt-transfer logs {job.id}`"):
        supervise(job, "teach mini_review", 2**30)
    assert all(one.free for one in slots())


def test_a_job_ends_when_its_supervisor_does(here, tiny_backbone):
    job = Job.of([spec(tiny_backbone, steps=10**6)])
    (here / "logs").mkdir()
    log = here / "logs" / "job.log"
    asked = wire.Asked(job.model_dump(mode="json"), str(log), 1.0, 3600, dict(os.environ))
    with open(log, "wb") as said, supervisor._nursery.child(said, ()) as child:
        child.stdin.write(asked.line())
        wait(lambda: "step" in str(child.stdout.read(2**16)), pause=0.02)
        child.stdin.close()  # what the kernel does to a supervisor that was killed
        assert child.wait(5)
        assert child.ending == "exit status 75"


def test_a_nursery_that_is_killed_costs_no_job_and_the_next_has_another(here, svc, tiny_backbone):
    steps = {"steps": 150, "batch_size": 4, "validation_rows": 20}
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(supervise, Job.of([spec(tiny_backbone, **steps)]), "teach", 2**30)
        wait(lambda: list((here / "checkpoints").glob("*.safetensors")), pause=0.02)
        supervisor._nursery._process.kill()
        (run,) = running.result(240)
    assert svc.lineage.get_run(run).attempt == 1
    (run,) = supervise(Job.of([spec(tiny_backbone, steps=2)]), "teach", 2**30)
    assert svc.lineage.get_run(run).status == "completed"


@pytest.mark.parametrize(
    ("error", "status", "waits"),
    [
        (Busy("run 3f9a"), 75, False),
        (UnknownId("prompt", "abc123", []), 3, False),
        (OperationalError("SELECT 1", {}, Exception("locked")), None, True),
        (ConnectionResetError("gone"), None, True),
        (KeyError("x"), None, False),
    ],
)
def test_an_error_keeps_its_class_its_line_and_what_follows_from_them(error, status, waits):
    (found,) = wire.found(wire.answers([error]))
    assert isinstance(found, type(error))
    assert str(found) == str(error)
    assert type(found).__name__ == type(error).__name__
    assert exit_status(found) == status
    assert isinstance(found, TRANSIENT) == waits


def test_an_error_of_a_library_is_told_with_its_name():
    (found,) = wire.found(
        {"answers": [{"error": "no", "classes": ["there:Odd", "builtins:Exception"]}]}
    )
    assert (type(found), str(found)) == (wire.JobFailed, "there.Odd: no")


def test_runs_without_a_log_are_refused_by_name(tmp_path):
    (tmp_path / "logs").mkdir()
    for name in ("3f9a2c", "../../etc/passwd", "abc*", ""):
        with pytest.raises(NoLog):
            find_log(tmp_path, name)
