"""Runs say that they live; those whose process was killed are given up."""

import logging
import time
from datetime import UTC, datetime

import pytest
from sqlalchemy import select, text

from pipelines.lineage import Lineage, Overtaken
from pipelines.tables import runs

# Another process with a run that beats quickly: it works until it is killed.
WORKER = """
import sys, time
from pathlib import Path
from pipelines.database import connect
from pipelines.lineage import Lineage, Overtaken
from pipelines.records import BackboneInfo, Environment, Request

url, locks, request_sha = sys.argv[1:]
lineage = Lineage(connect(url), Path(locks), heartbeat=0.05)
backbone = BackboneInfo("b" * 64, "nano", 8, 2, 2, 10)
request = Request("teach", request_sha, {}, 0, "rte", Environment("cpu", 1), backbone)
with lineage.record(request) as run:
    print(run.id, flush=True)
    time.sleep(60)
"""


def beats(lineage, run_id, than=None, timeout=20):
    """Return the run when its heartbeat is later than `than`."""
    until = time.monotonic() + timeout
    while (found := lineage.get_run(run_id)).heartbeat_at == than:
        assert time.monotonic() < until, "no heartbeat"
        time.sleep(0.02)
    return found


def test_a_run_says_again_and_again_that_it_lives(url, locks, world):
    lineage = Lineage.open(url, locks)
    lineage.heartbeat = 0.05
    with lineage.record(world.request("adapt", "rte")) as run:
        first = lineage.get_run(run.id)
        assert first.started_at <= first.heartbeat_at <= datetime.now(UTC)
        second = beats(lineage, run.id, than=first.heartbeat_at)
        third = beats(lineage, run.id, than=second.heartbeat_at)
        assert 0 == first.seconds < second.seconds < third.seconds
        run.prompt = world.prompt("p")
    done = lineage.get_run(run.id)
    assert done.seconds >= third.seconds
    time.sleep(0.2)
    assert lineage.get_run(run.id) == done  # it is quiet now
    lineage.close()


def test_a_database_that_fails_for_a_while_does_not_stop_a_run(sqlite_url, locks, world, caplog):
    lineage = Lineage.open(sqlite_url, locks)
    lineage.heartbeat = 0.05
    with lineage.record(world.request("adapt", "rte")) as run:
        before = lineage.get_run(run.id).heartbeat_at
        with lineage.database.writing() as connection:
            connection.execute(text("ALTER TABLE run RENAME TO gone"))
        until = time.monotonic() + 20
        while "no sign of life" not in caplog.text and time.monotonic() < until:
            time.sleep(0.02)
        with lineage.database.writing() as connection:
            connection.execute(text("ALTER TABLE gone RENAME TO run"))
        beats(lineage, run.id, than=before)
        run.prompt = world.prompt("p")
    assert "no sign of life of run" in caplog.text
    assert lineage.get_run(run.id).status == "completed"
    lineage.close()


def test_a_killed_run_is_given_up_and_only_that(lineage, url, locks, world, python):
    worker = python(WORKER, url, locks, world.sha("killed"))
    killed = worker.stdout.readline().strip()
    last = beats(lineage, killed, than=lineage.get_run(killed).heartbeat_at)
    with lineage.record(world.request("adapt", "rte")) as alive:
        assert lineage.reap(silent=0) == []  # both hold their locks
        worker.kill()  # SIGKILL: it cannot say goodbye
        worker.wait()
        assert lineage.reap(silent=3600) == []  # it was heard of in this hour
        assert reaped(lineage) == [killed]
        assert lineage.reap(silent=0) == []
        alive.prompt = world.prompt("p")

    found = lineage.get_run(killed)
    assert (found.status, found.error) == ("abandoned", "its process ended without a word")
    assert found.seconds >= last.seconds > 0  # up to its last heartbeat, and not to its burial
    assert found.seconds < (found.ended_at - found.started_at).total_seconds() + 1
    assert lineage.get_run(alive.id).status == "completed"


def reaped(lineage, timeout=20):
    """Reap as soon as the server has noticed that a process is gone."""
    until = time.monotonic() + timeout
    while not (found := lineage.reap(silent=0)):
        assert time.monotonic() < until, "its lock is still held"
        time.sleep(0.05)
    return found


def test_on_postgresql_another_machine_is_seen_to_be_alive(postgres_url, tmp_path, world):
    ours, theirs = (Lineage.open(postgres_url, tmp_path / name) for name in ("ours", "theirs"))
    with ours.record(world.request("adapt", "rte")) as run:
        assert theirs.reap(silent=0) == []
        run.prompt = world.prompt("p")
    ours.close()
    theirs.close()


def test_on_sqlite_only_silence_tells_of_another_machine(sqlite_url, tmp_path, world):
    ours, theirs = (Lineage.open(sqlite_url, tmp_path / name) for name in ("ours", "theirs"))
    with ours.record(world.request("adapt", "rte")) as run:
        assert theirs.reap() == []
        run.prompt = world.prompt("p")
    ours.close()
    theirs.close()


def test_a_run_that_was_given_up_is_told_so_at_its_next_heartbeat(sqlite_url, locks, world, caplog):
    lineage = Lineage.open(sqlite_url, locks)
    lineage.heartbeat = 0.05
    with pytest.raises(Overtaken), lineage.record(world.request("evaluate", "rte")) as run:
        give_up(lineage, caplog)
    assert f"run {run.id[:12]} was given up by another process" in caplog.text
    assert [one.levelno for one in caplog.records] == [logging.WARNING]
    with lineage.database.reading() as connection:
        assert connection.scalars(select(runs.c.status)).all() == ["abandoned"]
    lineage.close()


def give_up(lineage, caplog):
    with lineage.database.writing() as connection:
        connection.execute(text("UPDATE run SET status = 'abandoned', ended_at = started_at"))
    until = time.monotonic() + 20
    while "given up" not in caplog.text and time.monotonic() < until:
        time.sleep(0.02)
