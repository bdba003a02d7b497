"""What is invalid once something is withdrawn, and what is shared: a world built by hand."""

import pytest
from sqlalchemy import update

from pipelines.columns import now
from pipelines.ids import UnknownId
from pipelines.questions import impact, shared
from pipelines.records import MULTITASK
from pipelines.registry_tables import registrations


@pytest.fixture
def family(lineage, world):
    """A teacher of a few drawn examples, the source of it, a target; and strangers of all."""
    few = world.drawn("rte") | {"validation": [world.dataset("rte", "validation")]}
    other = {split: [world.dataset("cb", split)] for split in ("train", "validation")}
    runs = {
        "t": world.train(lineage, "rte", "t", 50.0, stage="teach", datasets=few),
        "stranger": world.train(lineage, "cb", "stranger", 51.0, stage="teach"),
        "source": world.train(lineage, MULTITASK, "source", 52.0, stage="learn", datasets=other,
                              reads={"teacher": [world.sha("t"), world.sha("stranger")]}),
        "target": world.train(lineage, "boolq", "target", 53.0,
                              reads={"source": [world.sha("source")]}),
        "alone": world.train(lineage, "boolq", "alone", 54.0, stage="teach",
                             backbone=world.other_backbone),
    }  # fmt: skip
    said = {"predictions_sha": world.sha("said")}
    runs["tested"] = world.evaluate(lineage, "boolq", world.sha("target"), 60.0, **said)
    runs["alone tested"] = world.evaluate(
        lineage, "boolq", world.sha("alone"), 61.0, predictions_sha=world.sha("alone said")
    )
    reads = {"exported": [world.sha("source")]}
    with lineage.record(world.request("export", MULTITASK, "out", reads)) as runs["export"]:
        runs["export"].adapter_sha = world.sha("adapter")
    return {name: run.id for name, run in runs.items()}


def register(lineage, prompt, standing="champion", version=1):
    """Close the place of a prompt for boolq; return its version."""
    with lineage.database.writing() as connection:
        mine = update(registrations).where(registrations.c.prompt_sha == prompt)
        told = mine.values(version=version, closed_at=now(), standing=standing)
        name = connection.scalar(told.returning(registrations.c.model_name))
    return f"{name}/{version}"


def resting(question, *columns):
    return {tuple(one[name] for name in columns) for one in question.answer().records()}


# Withdrawing


@pytest.mark.parametrize("withdrawn", ["rte train ", "rte few"])
def test_a_dataset_takes_all_that_was_trained_on_it_or_drawn_from_it_along(
    lineage, world, family, withdrawn
):
    version = register(lineage, world.sha("target"))
    register(lineage, world.sha("alone"))
    question = impact(lineage.database, world.sha(withdrawn))
    assert resting(question, "generation", "type", "id", "run_id", "of_id", "role") == {
        (0, "prompt", world.sha("t"), family["t"], world.sha("rte few"), "train"),
        (0, "score", family["t"], family["t"], world.sha("rte few"), "train"),
        (1, "prompt", world.sha("source"), family["source"], world.sha("t"), "distilled_from"),
        (2, "score", family["source"], family["source"], world.sha("source"), "evaluated_by"),
        (2, "adapter", world.sha("adapter"), family["export"], world.sha("source"), "exported_as"),
        (2, "prompt", world.sha("target"), family["target"], world.sha("source"), "adapted_from"),
        (2, "version", version, family["target"], world.sha("target"), "registered"),
        (3, "score", family["target"], family["target"], world.sha("target"), "evaluated_by"),
        (3, "score", family["tested"], family["tested"], world.sha("target"), "evaluated_by"),
        (3, "predictions", world.sha("said"), family["tested"], world.sha("target"),
         "evaluated_by"),
    }  # fmt: skip
    (champion,) = [one for one in question.answer().records() if one["champion"]]
    assert (champion["id"], champion["title"]) == (version, "version of a prompt for boolq")


def test_what_was_chosen_by_a_dataset_rests_on_it_too(lineage, world, family):
    found = resting(impact(lineage.database, world.sha("rte validation ")), "type", "id", "role")
    assert ("prompt", world.sha("t"), "validation") in found
    assert ("prompt", world.sha("target"), "adapted_from") in found


def test_scores_on_a_test_set_fall_with_it_and_no_prompt_does(lineage, world, family):
    found = resting(impact(lineage.database, world.sha("boolq test ")), "type", "id", "value")
    assert found == {
        ("score", family["tested"], 60.0), ("score", family["alone tested"], 61.0),
        ("predictions", world.sha("said"), None), ("predictions", world.sha("alone said"), None),
    }  # fmt: skip


def test_a_teacher_takes_its_descendants_along_and_itself_is_not_told(lineage, world, family):
    found = resting(impact(lineage.database, world.sha("stranger")[:12]), "type", "id")
    prompts = {id for kind, id in found if kind == "prompt"}
    assert prompts == {world.sha("source"), world.sha("target")}
    assert ("score", family["stranger"]) in found


def test_a_backbone_takes_all_that_was_trained_or_scored_on_it(lineage, world, family):
    found = resting(impact(lineage.database, world.other_backbone.sha), "type", "id", "role")
    assert found == {
        ("prompt", world.sha("alone"), "on"), ("score", family["alone"], "on"),
        ("score", family["alone tested"], "evaluated_by"),
        ("predictions", world.sha("alone said"), "evaluated_by"),
    }  # fmt: skip


def test_runs_that_failed_left_nothing_that_could_fall(lineage, world):
    with pytest.raises(ValueError, match="no"):
        world.fail(lineage, world.request("teach", "rte"), ValueError("no"))
    assert impact(lineage.database, world.sha("rte train ")).answer().rows == ()


@pytest.mark.parametrize("asked", [impact, shared])
def test_only_what_can_be_withdrawn_or_shared_is_found(lineage, world, family, asked):
    with pytest.raises(UnknownId, match="no dataset, prompt"):
        asked(lineage.database, world.sha("said"))


# Sharing


def test_runs_that_read_the_same_are_found_newest_first(lineage, world, family):
    found = shared(lineage.database, world.sha("rte train ")).answer().records()
    assert [(one["run_id"], one["role"], one["input_id"]) for one in found] == [
        (family["t"], "train", world.sha("rte few")),
    ]
    found = shared(lineage.database, world.sha("source")).answer().records()
    assert [(one["run_id"], one["role"]) for one in found] == [
        (family["export"], "exported"), (family["target"], "source"),
    ]  # fmt: skip
    on = shared(lineage.database, world.other_backbone.sha).answer().records()
    assert {one["run_id"] for one in on} == {family["alone"]}
    assert {one["input_type"] for one in on} == {"backbone"}


def test_of_a_run_the_other_runs_that_read_one_of_its_inputs_are_found(lineage, world, family):
    found = shared(lineage.database, family["target"]).answer().records()
    assert {(one["run_id"], one["role"], one["input_type"]) for one in found} == {
        (family["alone"], "train", "dataset"), (family["alone"], "validation", "dataset"),
        (family["tested"], "train", "dataset"), (family["tested"], "validation", "dataset"),
        (family["alone tested"], "train", "dataset"),
        (family["alone tested"], "validation", "dataset"),
        (family["export"], "exported", "prompt"),
    }  # fmt: skip
