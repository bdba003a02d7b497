"""What killed processes leave: rows, temporary files, checkpoints, lock files."""

import os
import time

import pytest

from pipelines.doctor.examination import examine
from pipelines.doctor.finding import Finding
from pipelines.locks import hold

# A run whose process is killed while it works.
WORKER = """
import sys, time
from pathlib import Path
from pipelines.lineage import Lineage
from pipelines.records import BackboneInfo, Environment, Request

lineage = Lineage.open(sys.argv[1], Path(sys.argv[2]))
request = Request("teach", "a" * 64, {}, 0, "rte", Environment("cpu", 1),
                  BackboneInfo("b" * 64, "nano", 8, 2, 2, 10))
with lineage.record(request) as run:
    print(run.id, flush=True)
    time.sleep(60)
"""


def age(path, days=2):
    then = time.time() - days * 86400
    os.utime(path, (then, then))
    return path


def write(path, data=b"some bytes"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def test_a_killed_run_is_given_up_when_nobody_works_on_it(
    patient, healed, unchanged, python, sqlite_url, locks
):
    worker = python(WORKER, sqlite_url, locks)
    run_id = worker.stdout.readline().strip()
    patient.sql("UPDATE run SET heartbeat_at = '2026-01-01 00:00:00'")
    assert unchanged(patient) == []  # it holds its lock
    worker.kill()
    worker.wait()

    (found,) = healed(patient)
    assert found.startswith(f"runs: run {run_id[:12]} (teach rte) is running")
    assert patient.lineage.get_run(run_id).status == "abandoned"


@pytest.mark.parametrize("folder", ["store/ab", "checkpoints", "cache/tokens"])
def test_temporary_files_that_a_kill_left_are_removed_when_they_are_old(
    patient, healed, unchanged, folder
):
    young = write(patient.folder / folder / ".new-abc-123456")
    assert unchanged(patient) == []
    old = age(write(patient.folder / folder / ".new-abc-654321"))

    (found,) = healed(patient)
    assert f"{old} was never finished" in found
    assert not old.exists()
    assert young.exists()


def test_a_checkpoint_of_what_has_ended_well_is_removed_and_no_other(patient, healed, world):
    done, failed = world.request("adapt", "cb", "3"), world.request("adapt", "rte", "failed")
    patient.train("cb", 3)
    patient.settle()
    with pytest.raises(MemoryError):
        world.fail(patient.lineage, failed, MemoryError())
    useless, useful, foreign = (
        write(patient.folder / "checkpoints" / f"{name}.safetensors")
        for name in (done.sha, failed.sha, "mine")
    )

    (found,) = healed(patient)
    assert f"{useless} is of a training that has ended well" in found
    assert [path.exists() for path in (useless, useful, foreign)] == [False, True, True]


def test_old_locks_are_no_harm_and_are_removed_unless_somebody_holds_them(patient, unchanged):
    locks, held = patient.lineage.locks, "c" * 64
    files = [age(write(locks / f"{number:064}.lock", b"")) for number in range(3)]
    kept = [write(locks / f"{9:064}.lock", b""), age(write(locks / "schema.lock", b""))]
    with hold(patient.lineage.database.engine, locks, held):
        kept.append(age(locks / f"{held}.lock"))
        assert unchanged(patient) == []
        (found,) = [one for one in examine(patient.home()) if isinstance(one, Finding)]
        assert found.what == "4 lock files are of runs that have ended more than a day ago"
        assert found.harmless
        found.mend()
        assert [path.exists() for path in files] == [False] * 3
        assert all(path.exists() for path in kept)
        with (
            pytest.raises(Exception, match="busy"),
            hold(patient.lineage.database.engine, locks, held),
        ):
            pass
    with hold(patient.lineage.database.engine, locks, f"{1:064}"):
        pass  # it is made again


def test_a_folder_that_cannot_be_read_keeps_nothing_else_from_being_examined(patient):
    patient.train("rte", 1)
    checkpoints = patient.folder / "checkpoints"
    checkpoints.symlink_to(checkpoints)  # a loop, which root cannot read either
    patient.examine = examine

    found = patient.found()
    assert not any("Traceback" in one for one in found)
    assert any(one.startswith("outbox: MLflow was not told") for one in found)
