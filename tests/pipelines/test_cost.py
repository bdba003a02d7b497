"""What prompts cost, and which runs failed: effort written by hand, sums by hand."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from pipelines import guards
from pipelines.questions import cost, failures
from pipelines.records import MULTITASK

SECOND = timedelta(seconds=1)


def took(lineage, run_id, seconds, steps=None, batch_size=None, trained=None):
    """Write what a run took; it has ended, so the guards are away for a moment."""
    with lineage.database.writing() as connection:
        guards.drop(connection)
        connection.execute(
            text("UPDATE run SET seconds = :seconds, steps = :steps, max_steps = :steps, "
                 "batch_size = :batch_size, trained = :trained WHERE id = :id"),
            {"id": run_id, "seconds": seconds, "steps": steps, "batch_size": batch_size,
             "trained": trained},
        )  # fmt: skip
        guards.create(connection)


def fail(lineage, world, request, error):
    with pytest.raises(type(error)):
        world.fail(lineage, request, error)
    (newest,) = failures(lineage.database, limit=1).answer().records()
    return newest["run_id"]


@pytest.fixture
def diamond(lineage, world):
    """Two prompts of one teacher, a source of both, and a target of that, which failed twice."""
    teach = world.train(lineage, "rte", "t", 50.0, stage="teach")
    took(lineage, teach.id, 1.0, 10, 4, trained=100)
    for name, seconds in (("left", 2.0), ("right", 4.0)):
        run = world.train(lineage, "rte", name, 51.0, reads={"source": [world.sha("t")]})
        took(lineage, run.id, seconds, 20, 8, trained=7)
    both = {"teacher": [world.sha("left"), world.sha("right"), world.sha("t")]}
    run = world.train(lineage, MULTITASK, "s", 52.0, stage="learn", reads=both)
    took(lineage, run.id, 8.0, 100, 2, trained=200)
    reads = {"source": [world.sha("s")]}
    lost = world.request("teach", "rte", "lost")
    took(lineage, fail(lineage, world, lost, OSError("never made good")), 1000.0)
    for seconds in (16.0, 32.0):
        asked = world.request("adapt", "cb", "p", reads)
        took(lineage, fail(lineage, world, asked, MemoryError("no")), seconds)
    run = world.train(lineage, "cb", "p", 53.0, reads=reads)
    took(lineage, run.id, 64.0, 5, 3, trained=9)
    return lineage


def test_each_ancestor_counts_once_and_failed_attempts_count_too(diamond, world):
    (told,) = cost(diamond.database, world.sha("p")).answer().records()
    assert told == {
        "prompt_sha": world.sha("p"), "kind": "target", "task": "cb",
        "seconds": 64.0, "steps": 5, "examples": 15, "trained": 9, "attempts": 3,
        "lost_seconds": 48.0, "ancestors": 4, "ancestor_seconds": 15.0, "ancestor_steps": 150,
        "ancestor_examples": 10 * 4 + 2 * 20 * 8 + 100 * 2, "ancestor_attempts": 4,
        "ancestor_lost_seconds": 0.0, "total_seconds": 64.0 + 48.0 + 15.0,
    }  # fmt: skip


def test_a_prompt_of_no_other_has_no_ancestors(diamond, world):
    (told,) = cost(diamond.database, world.sha("t")[:8]).answer().records()
    assert (told["ancestors"], told["total_seconds"], told["examples"]) == (0, 1.0, 40)


def test_the_dearest_come_first_and_no_more_than_are_asked_for(diamond, world):
    found = cost(diamond.database, limit=3).answer().records()
    assert [one["prompt_sha"] for one in found] == [world.sha(name) for name in ("p", "s", "right")]
    assert [one["ancestor_seconds"] for one in found] == [15.0, 7.0, 1.0]
    assert len(cost(diamond.database).answer().rows) == 5


def test_what_took_longer_than_an_integer_holds_is_counted(lineage, world):
    run = world.train(lineage, "rte", "t", 50.0, stage="teach")
    took(lineage, run.id, 1e6, 2_000_000, 2_000_000)
    (told,) = cost(lineage.database, world.sha("t")).answer().records()
    assert told["examples"] == 4 * 10**12


# Failures


def test_failures_come_newest_first_with_what_became_of_them(diamond, world):
    found = failures(diamond.database).answer().records()
    assert [(one["attempt"], one["attempts"], one["later"], one["seconds"]) for one in found] == [
        (2, 3, "completed", 32.0), (1, 3, "completed", 16.0), (1, 1, "none", 1000.0),
    ]  # fmt: skip
    newest = found[0]
    assert newest["error"] == "MemoryError: no"
    assert diamond.get_run(newest["later_id"]).prompt == world.sha("p")
    assert newest["source_sha"] == world.sha("s")
    assert [one["next"] is None for one in found] == [True, True, False]


def test_an_attempt_that_is_running_is_waited_for(lineage, world):
    asked = world.request("adapt", "rte")
    fail(lineage, world, asked, OSError("disk"))
    with lineage.record(asked) as run:
        (found,) = failures(lineage.database).answer().records()
        assert (found["later"], found["later_id"]) == ("running", run.id)
        assert found["next"] == f"wait for run {run.id[:12]}"
        run.prompt = world.prompt("p")


def test_only_failures_since_a_moment_are_told(diamond):
    now = datetime.now(UTC)
    assert len(failures(diamond.database, now - timedelta(hours=1)).answer().rows) == 3
    assert failures(diamond.database, now + timedelta(hours=1)).answer().rows == ()
    newest = failures(diamond.database).answer().records()[0]
    since = failures(diamond.database, newest["started_at"]).answer().records()
    assert newest in since  # to the second
    assert failures(diamond.database, newest["started_at"] + SECOND).answer().rows == ()
    assert len(failures(diamond.database, limit=2).answer().rows) == 2
