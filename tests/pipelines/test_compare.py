"""Two prompts side by side: recipes, what they read, and how sure a difference of scores is."""

import json
from dataclasses import replace

import pytest

import tasks
from pipelines.gain import gain_interval
from pipelines.intervals import apart
from pipelines.pairing import Pairing
from pipelines.questions import compare
from pipelines.recording import ScoreInfo
from pipelines.records import DatasetInfo
from pipelines.side_by_side import PAIRED, UNPAIRED, flat
from pipelines.store import CorruptContent, Store

TASK, N = "mini_dining", 60


def record(lineage, world, name, spec, reads=None, backbone=None, **datasets):
    """Record an adaptation with this recipe."""
    data = {role: list(infos) for role, infos in datasets.items()}
    asked = world.request("adapt", "rte", name, reads, backbone or world.backbone, data)
    with lineage.record(replace(asked, spec=spec)) as run:
        run.prompt = world.prompt(name)


def told(answer, what):
    columns = ("name", "a", "b")
    return {tuple(one[name] for name in columns) for one in answer.records() if one["what"] == what}


def test_only_what_differs_in_the_recipes_is_told_with_dotted_keys(lineage, world):
    common = {"task": "rte", "steps": 10, "none": None, "deep": {"er": {"same": 1}}}
    mine = {**common, "rate": 1e-5, "list": [1, 2], "mine": True}
    theirs = {**common, "rate": 0.3, "list": [2, 1], "deep": {"er": {"same": 1, "new": "x"}}}
    record(lineage, world, "a", mine)
    record(lineage, world, "b", theirs)
    answer = compare(lineage.database, world.sha("a"), world.sha("b")).answer()
    assert told(answer, "spec") == {
        ("rate", 1e-5, 0.3), ("list", "[1, 2]", "[2, 1]"), ("mine", True, None),
        ("deep.er.new", None, "x"),
    }  # fmt: skip
    assert flat({"a": {"b": {}, "c": 0}}) == {"a.c": 0}


def test_what_was_read_is_told_by_side_with_its_size(lineage, world):
    world.train(lineage, "cb", "parent", 50.0, stage="learn")
    both, ours, theirs = (world.dataset("rte", split, version) for split, version in
                          (("validation", ""), ("train", "1"), ("train", "2")))  # fmt: skip
    record(lineage, world, "a", {}, {"source": [world.sha("parent")]}, train=[ours],
           validation=[both])  # fmt: skip
    record(lineage, world, "b", {}, backbone=world.other_backbone,
           train=[replace(theirs, num_rows=7)], validation=[both])  # fmt: skip
    answer = compare(lineage.database, world.sha("a")[:9], world.sha("b")[:9]).answer()
    assert told(answer, "data") == {
        ("train rte", 40, None), ("train rte", None, 7), ("validation rte", 40, 40),
    }  # fmt: skip
    assert told(answer, "prompt") == {("source cb", 5, None)}
    assert told(answer, "backbone") == {
        ("on nano-t5", 11_000_000_000, None), ("on models/Big_T5", None, 10),
    }  # fmt: skip
    assert {one["sha"] for one in answer.records() if one["a"] == one["b"]} == {both.sha}


def test_a_prompt_beside_itself_differs_in_nothing(lineage, world):
    world.train(lineage, "rte", "p", 50.0)
    answer = compare(lineage.database, world.sha("p"), world.sha("p")).answer()
    assert told(answer, "spec") == set()
    assert told(answer, "score") == {("validation accuracy on rte", 50.0, 50.0)}


# Scores


@pytest.fixture
def answered(sqlite_lineage, world, tmp_path):
    """Two prompts and their answers to the same real rows; a store, and a pairing of it."""
    store = Store(tmp_path / "store")
    examples = tasks.load(tasks.find(TASK)).test[:N]
    on = DatasetInfo(tasks.digest(tasks.find(TASK), examples), TASK, "test", "generated", N)
    sides = {}
    for name, wrong in (("a", 2), ("b", 5)):
        said = [
            one.answers[0] if at % wrong else "nothing of the kind"
            for at, one in enumerate(examples)
        ]
        world.train(sqlite_lineage, TASK, name, 50.0)
        grade(sqlite_lineage, world, name, on, said, examples, store)
        sides[name] = said
    return sqlite_lineage, store, sides, examples


def grade(lineage, world, name, on, said, examples, store):
    metric = tasks.find(TASK).metrics["accuracy"]
    value = metric(said, examples)
    kept = store.put(json.dumps(said).encode())
    asked = world.request("evaluate", TASK, name, {"evaluated": [world.sha(name)]})
    with lineage.record(asked) as run:
        run.scores.append(
            ScoreInfo(on, "accuracy", value, N, is_primary=True, predictions_sha=kept,
                      interval=(value - 9, value + 9))
        )  # fmt: skip


def score(lineage, world, pair):
    answer = compare(lineage.database, world.sha("a"), world.sha("b"), pair).answer()
    (found,) = [one for one in answer.records() if one["name"].startswith("test")]
    return found


def test_answers_to_the_same_rows_are_compared_in_pairs(answered, world):
    lineage, store, sides, examples = answered
    found = score(lineage, world, Pairing(store, None).interval)
    metric = tasks.find(TASK).metrics["accuracy"]
    assert (found["interval"], found["difference"]) == (PAIRED, found["a"] - found["b"])
    assert (found["low"], found["high"]) == gain_interval(
        [sides["a"]], [sides["b"]], examples, metric
    )
    unpaired = score(lineage, world, None)
    assert unpaired["high"] - unpaired["low"] != found["high"] - found["low"]


def test_without_the_answers_or_the_rows_the_interval_is_newcombe_s(answered, world, tmp_path):
    lineage = answered[0]
    expected = apart(50.0, (41.0, 59.0), 80.0, (71.0, 89.0))
    cases = {"no pairing": None, "no answers": Pairing(Store(tmp_path / "empty"), None).interval}
    for case, pair in cases.items():
        found = score(lineage, world, pair)
        assert (found["interval"], found["low"], found["high"]) == (UNPAIRED, *expected), case


@pytest.mark.parametrize("change", [
    {"sha": "0" * 64}, {"name": "no_such_task"}, {"metric": "f2"}, {"text": None}, {"n": N - 1},
    {"metric": "bleu"},
])  # fmt: skip
def test_rows_that_are_not_those_that_were_scored_are_not_paired(answered, change):
    _, store, sides, examples = answered
    kept = store.put(json.dumps(sides["a"]).encode())
    fact = {"name": TASK, "role": "test", "metric": "accuracy", "text": kept, "n": N,
            "sha": tasks.digest(tasks.find(TASK), examples)}  # fmt: skip
    pairing = Pairing(store, None)
    assert pairing.interval(fact, fact) == (0.0, 0.0)
    assert pairing.interval(fact | change, fact | change) is None


def test_answers_that_were_changed_are_told(answered, world):
    lineage, store, sides, _ = answered
    sha = store.put(json.dumps(sides["b"]).encode())
    (store.place.root / sha[:2] / sha).write_text("[]")
    with pytest.raises(CorruptContent):
        score(lineage, world, Pairing(store, None).interval)
