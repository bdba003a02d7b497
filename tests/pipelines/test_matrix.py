"""The transfer matrix: who is compared with whom, and when a transfer harms."""

from dataclasses import replace

import pytest

from pipelines.intervals import apart
from pipelines.questions import matrix
from pipelines.recording import ScoreInfo
from pipelines.records import MULTITASK
from pipelines.transfer_gain import negative

BUDGET = {"steps": 100, "batch_size": 16}


class Trials:
    """Adaptations of source prompts, and trainings from scratch, each with its scores."""

    def __init__(self, lineage, world):
        self.lineage, self.world = lineage, world

    def source(self, name, *tasks):
        """Record a source prompt of `tasks`."""
        splits = ("train", "validation")
        data = {split: [self.world.dataset(one, split) for one in tasks] for split in splits}
        self.world.train(self.lineage, MULTITASK, name, 50.0, stage="learn", datasets=data)

    def trial(self, name, task, validation, tested=None, source=None, seed=0, backbone=None,
              kind="accuracy", width=4.0, **budget):  # fmt: skip
        """Record one training, and its test if there is a score."""
        stage = "adapt" if source else "teach"
        reads = {"source": [self.world.sha(source)]} if source else {}
        on = backbone or self.world.backbone
        asked = self.world.request(stage, task, name, reads, on)
        asked = replace(asked, seed=seed, spec={"task": task, **BUDGET, **budget})
        around = (validation - width, validation + width) if width else None
        with self.lineage.record(asked) as run:
            run.prompt = self.world.prompt(name, "target" if source else "teacher")
            run.scores.append(self.world.score(task, validation, interval=around))
        if tested is not None:
            self.test(name, task, tested, kind, width)
        return run

    def test(self, name, task, value, metric="accuracy", width=4.0, number=""):
        around = (value - width, value + width) if width else None
        sha = self.world.sha(name)
        asked = self.world.request("evaluate", task, name + number, {"evaluated": [sha]})
        with self.lineage.record(asked) as run:
            on = self.world.dataset(task, "test")
            run.scores.append(ScoreInfo(on, metric, value, 40, is_primary=True, interval=around))


@pytest.fixture
def trials(lineage, world):
    return Trials(lineage, world)


def cells(trials, *columns, backbone=None):
    found = matrix(trials.lineage.database, backbone).answer().records()
    return [tuple(one[name] for name in columns) for one in found]


def test_scores_are_means_over_seeds_on_the_test_set_and_the_gain_is_their_difference(trials):
    trials.source("s0", "rte", "cb")
    trials.source("s1", "rte", "cb")
    for seed, (ours, theirs) in enumerate([(70.0, 60.0), (74.0, 62.0)]):
        trials.trial(f"a{seed}", "boolq", 50.0, ours, source=f"s{seed}", seed=seed)
        trials.trial(f"b{seed}", "boolq", 90.0, theirs, seed=seed)
    trials.trial("b2", "boolq", 90.0, 64.0, seed=2)
    (cell,) = matrix(trials.lineage.database).answer().records()
    expected = {
        "sources": "cb, rte", "target": "boolq", "split": "test", "transfer": 72.0, "scratch": 62.0,
        "gain": 10.0, "transfer_seeds": 2, "scratch_seeds": 3, "steps": 100, "batch_size": 16,
        "tokens": 5, "n": 40, "backbone": "nano-t5", "metric": "accuracy", "negative": "no",
        "transfer_low": 68.0, "transfer_high": 76.0, "scratch_low": 58.0, "scratch_high": 66.0,
    }  # fmt: skip
    assert {name: cell[name] for name in expected} == expected
    assert (cell["low"], cell["high"]) == apart(72.0, (68.0, 76.0), 62.0, (58.0, 66.0))
    assert cell["train_sha"] == trials.world.sha("boolq train ")
    assert cell["dataset_sha"] == trials.world.sha("boolq test ")


def test_validation_counts_where_not_both_were_tested(trials):
    trials.source("s", "rte")
    trials.trial("a", "boolq", 55.0, 70.0, source="s")
    trials.trial("b", "boolq", 50.0)
    assert cells(trials, "split", "transfer", "scratch") == [("validation", 55.0, 50.0)]
    trials.test("b", "boolq", 60.0)
    assert cells(trials, "split", "transfer", "scratch") == [("test", 70.0, 60.0)]


def test_another_budget_backbone_or_target_is_not_compared(trials):
    trials.source("s", "rte")
    trials.trial("a", "boolq", 55.0, source="s")
    trials.trial("steps", "boolq", 50.0, steps=101)
    trials.trial("batch", "boolq", 50.0, batch_size=8)
    trials.trial("on", "boolq", 50.0, backbone=trials.world.other_backbone)
    trials.trial("target", "wic", 50.0)
    assert cells(trials, "gain") == []
    trials.trial("equal", "boolq", 50.0)
    assert cells(trials, "gain") == [(5.0,)]


def test_the_same_tasks_in_another_order_are_the_same_source_set(trials):
    trials.source("s0", "rte", "cb", "wic")
    trials.source("s1", "wic", "rte", "cb")
    trials.source("s2", "rte", "cb")
    for seed, source in enumerate(("s0", "s1", "s2")):
        trials.trial(f"a{seed}", "boolq", 60.0 + seed, source=source, seed=seed)
    trials.trial("b", "boolq", 50.0)
    assert cells(trials, "sources", "transfer", "transfer_seeds") == [
        ("cb, rte", 62.0, 1), ("cb, rte, wic", 60.5, 2),
    ]  # fmt: skip


def test_of_one_seed_the_run_that_validated_best_counts_and_not_the_one_that_tested_best(trials):
    trials.source("s", "rte")
    trials.trial("good", "boolq", 60.0, 40.0, source="s", rate=0.3)
    trials.trial("bad", "boolq", 59.0, 95.0, source="s", rate=0.1)
    trials.trial("b", "boolq", 50.0, 50.0)
    assert cells(trials, "transfer", "gain", "transfer_seeds") == [(40.0, -10.0, 1)]


def test_of_several_tests_of_a_prompt_the_newest_counts(trials):
    trials.source("s", "rte")
    trials.trial("a", "boolq", 60.0, 40.0, source="s")
    trials.test("a", "boolq", 45.0, number="again")
    trials.trial("b", "boolq", 50.0, 50.0)
    assert cells(trials, "transfer") == [(45.0,)]


def test_scores_of_different_metrics_are_not_compared(trials):
    trials.source("s", "rte")
    trials.trial("a", "boolq", 60.0, 40.0, source="s", kind="f1")
    trials.trial("b", "boolq", 50.0, 50.0)
    assert cells(trials, "split") == [("validation",)]


def test_budgets_stand_apart_and_each_target_has_a_row(trials):
    trials.source("s", "rte")
    for steps in (100, 200):
        trials.trial(f"a{steps}", "boolq", 60.0, source="s", steps=steps)
        trials.trial(f"b{steps}", "boolq", 50.0, steps=steps)
    trials.trial("c", "wic", 60.0, source="s")
    trials.trial("d", "wic", 61.0)
    assert cells(trials, "target", "steps", "gain") == [
        ("boolq", 100, 10.0), ("boolq", 200, 10.0), ("wic", 100, -1.0),
    ]  # fmt: skip


def test_a_loss_is_sure_if_all_of_its_interval_is_one(trials):
    trials.source("s", "rte")
    for task, loss, width in (("boolq", 20.0, 4.0), ("wic", 1.0, 4.0), ("copa", 20.0, None)):
        trials.trial(f"a {task}", task, 60.0 - loss, source="s", width=width)
        trials.trial(f"b {task}", task, 60.0, width=width)
    assert cells(trials, "target", "negative") == [
        ("boolq", "yes"), ("copa", "maybe"), ("wic", "maybe"),
    ]  # fmt: skip
    assert [negative(gain, high) for gain, high in ((0.0, None), (1.0, 2.0), (-1.0, 0.0))] == [
        "no", "no", "maybe",
    ]  # fmt: skip


def test_a_backbone_is_named_or_given_by_its_digest(trials):
    other = trials.world.other_backbone
    trials.source("s", "rte")
    trials.trial("a", "boolq", 60.0, source="s")
    trials.trial("b", "boolq", 50.0)
    trials.trial("elsewhere", "boolq", 50.0, backbone=other)
    sha = trials.world.backbone.sha
    for named in ("nano-t5", sha, sha[:8]):
        assert cells(trials, "backbone_sha", backbone=named) == [(sha,)]
    assert cells(trials, "backbone_sha", backbone="models/Big_T5") == []
