"""Which adaptations are due: asked of real databases, after each move of a champion."""

import pytest

from pipelines import due, registration, rows, standing
from pipelines.lineage import Overtaken
from pipelines.records import GROUP, MULTITASK
from pipelines.standing import Decision
from pipelines.tables import runs


@pytest.fixture
def crown(lineage, world):
    """Make a source prompt, if there is none, and make it champion."""

    def move(name, backbone=world.backbone):
        known = lineage.find(world.sha(f"learn {MULTITASK} {name}"))
        if known is None:
            world.train(lineage, MULTITASK, name, 50.0, stage="learn", backbone=backbone)
        with lineage.database.writing() as connection:
            one = registration.candidate(connection, world.sha(name), MULTITASK)
            before = registration.champion(connection, one.model_name)
            standing.crown(connection, one, Decision("forced", before, reason="a test"))
        return world.sha(name)

    return move


@pytest.fixture
def adapt(lineage, world):
    """Adapt a source prompt to a task by the recipe that all requests of `world` have."""

    def run(task, source, value=60.0, **others):
        name = f"{task} from {source[:8]} {others.get('version', '')}"
        reads = {"source": [source]}
        return world.train(lineage, task, name, value, reads=reads, **others)

    return run


@pytest.fixture
def asked(lineage):
    """Return (task, champion) of all that has to be done, and all that is known."""

    def ask():
        with lineage.database.reading() as connection:
            found = due.targets(connection)
        return [(one.recipe["task"], one.source) for one in found if one.attempt is None], found

    return ask


def test_without_a_champion_nothing_is_due(world, lineage, adapt, asked):
    world.train(lineage, MULTITASK, "a", 50.0, stage="learn")
    adapt("rte", world.sha("a"))
    assert asked() == ([], [])


def test_a_target_of_the_champion_is_known_and_not_due(crown, adapt, asked):
    run = adapt("rte", crown("a"))
    missing, (one,) = asked()
    assert missing == []
    assert one.attempt.run_id == run.id
    assert one.tasks == ["a", "b"]  # the recipe of all requests of `world` names two


def test_a_new_champion_makes_the_targets_of_the_old_one_due_until_they_have_followed(
    crown, adapt, asked
):
    old = crown("a")
    adapt("rte", old)
    adapt("cb", old)
    new = crown("b")
    assert sorted(asked()[0]) == [("cb", new), ("rte", new)]
    assert asked()[0] == asked()[0]  # to ask is to change nothing
    adapt("rte", new)
    assert asked()[0] == [("cb", new)]
    adapt("cb", new)
    assert asked()[0] == []


def test_targets_of_the_champion_before_the_last_are_not_forgotten(crown, adapt, asked):
    adapt("rte", crown("a"))
    crown("b")  # and nobody adapted it in time
    newest = crown("c")
    assert asked()[0] == [("rte", newest)]


def test_a_champion_that_is_restored_has_its_targets_already(crown, adapt, asked):
    old = crown("a")
    adapt("rte", old)
    crown("b")
    crown("a")
    assert asked()[0] == []


def test_a_target_that_was_archived_does_not_follow(crown, adapt, asked, lineage, world):
    adapt("rte", crown("a"))
    with lineage.database.writing() as connection:
        sha = world.sha(f"rte from {world.sha('a')[:8]} ")
        one = registration.candidate(connection, sha, "rte")
        standing.stand(connection, one, "archived", Decision("archived"))
    crown("b")
    assert asked() == ([], [])


def test_who_was_never_champion_has_no_targets_that_follow(crown, adapt, asked, lineage, world):
    world.train(lineage, MULTITASK, "never", 50.0, stage="learn")
    adapt("rte", world.sha("never"))
    crown("a")
    assert asked() == ([], [])


def test_what_runs_or_has_failed_is_not_asked_for_again(crown, adapt, asked, lineage, world):
    adapt("rte", crown("a"))
    new = crown("b")
    reads = {"source": [new]}
    with lineage.record(world.request("adapt", "rte", "again", reads)) as run:
        assert asked()[0] == []
        run.prompt = world.prompt("made")
    adapt("cb", world.sha("a"))
    with pytest.raises(ValueError, match="no"):
        world.fail(lineage, world.request("adapt", "cb", "again", reads), ValueError("no"))
    assert asked()[0] == []


def test_what_was_abandoned_is_due_again(crown, adapt, asked, lineage, world):
    adapt("rte", crown("a"))
    new = crown("b")

    def abandon():
        with lineage.record(world.request("adapt", "rte", "again", {"source": [new]})) as run:
            run.prompt = world.prompt("made")
            with lineage.database.writing() as connection:
                rows.close(connection, runs.c.id == run.id, "abandoned", "gone")

    with pytest.raises(Overtaken):
        abandon()
    assert asked()[0] == [("rte", new)]


def test_champions_of_two_backbones_have_their_own_targets(crown, adapt, asked, world):
    mine, theirs = crown("a"), crown("x", world.other_backbone)
    adapt("rte", mine)
    adapt("cb", theirs, backbone=world.other_backbone)
    new = crown("b")
    assert asked()[0] == [("rte", new)]


def test_a_group_follows_as_a_whole(crown, adapt, asked):
    adapt(GROUP, crown("a"))
    new = crown("b")
    missing, (one,) = asked()
    assert missing == [("group", new)]
    assert one.tasks == ["a", "b"]


def test_what_was_read_and_the_last_attempt_are_told(crown, adapt, lineage, world):
    source = crown("a")
    adapt("rte", source)
    last = adapt("rte", source, version="new rows")
    recipe = world.request("adapt", "rte").spec
    with lineage.database.reading() as connection:
        found = due.last_attempt(connection, recipe, source)
        assert found.run_id == last.id
        assert due.rows_of(connection, last.id) == {
            (split, world.dataset("rte", split).sha) for split in ("train", "validation")
        }
        assert due.last_attempt(connection, {**recipe, "steps": 4}, source) is None
        assert due.last_attempt(connection, {**recipe, "definitions": [1]}, source) == found


def test_the_champion_of_a_backbone_is_found_by_name_and_by_digest(crown, lineage, world):
    source = crown("a")
    with lineage.database.reading() as connection:
        assert due.champion_source(connection, world.backbone.name) == source
        assert due.champion_source(connection, world.backbone.sha[:8]) == source
        assert due.champion_source(connection, "models/Big_T5") is None
