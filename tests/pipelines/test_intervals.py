import math
import random
from statistics import fmean

import pytest
from scipy.stats import binomtest

import tasks
from pipelines.intervals import apart, around, mean_of, wilson
from pipelines.score_interval import difference, interval, jackknife, units_of
from tasks import Example

QQP, STSB, MULTIRC, SQUAD = (tasks.get(name) for name in ("qqp", "stsb", "multirc", "squad"))
WORDS = ["the", "quick", "brown", "fox", "jumps", "over", "a", "lazy", "dog"]


def labelled(draw, n, right, task=QQP, size=1):
    """Return n examples of a task with labels, in groups of `size`, and answers to them."""
    groups = [f"g{at // size}" if size > 1 else "" for at in range(n)]
    examples = [Example("x", (draw.choice(task.labels),), group) for group in groups]
    return [
        one.answers[0] if draw.random() < right else draw.choice(task.labels) for one in examples
    ], examples


def numbered(draw, n):
    truth = [draw.gauss(2.5, 1) for _ in range(n)]
    return [f"{0.6 * one + 0.8 * draw.gauss(2.5, 1):.3f}" for one in truth], [
        Example("x", (f"{one:.3f}",)) for one in truth
    ]


@pytest.mark.parametrize(("right", "n"), [(0, 7), (7, 7), (3, 40), (20, 40), (999, 1000)])
def test_the_interval_of_an_accuracy_is_that_of_wilson(right, n):
    examples = [Example("x", ("duplicate",))] * n
    answers = ["duplicate"] * right + ["neither"] * (n - right)
    theirs = binomtest(right, n).proportion_ci(method="wilson")
    assert interval(QQP, "accuracy", answers, examples) == pytest.approx(
        (100 * theirs.low, 100 * theirs.high), abs=1e-4
    )


def test_a_group_that_is_scored_together_is_one_unit():
    answers, examples = labelled(random.Random(0), 300, 0.7, MULTIRC, size=5)
    whole = [all(answers[at] in examples[at].answers for at in unit) for unit in units_of(examples)]
    assert len(whole) == 60
    said = interval(MULTIRC, "exact_match", answers, examples)
    assert said == wilson(100 * sum(whole) / 60, 60)


def test_examples_that_stand_and_fall_together_leave_f1_less_sure():
    draw = random.Random(0)
    fate = [draw.random() < 0.7 for _ in range(60)]
    truth = [draw.choice(MULTIRC.labels) for _ in range(300)]
    other = dict(zip(MULTIRC.labels, reversed(MULTIRC.labels), strict=True))
    answers = [one if fate[at // 5] else other[one] for at, one in enumerate(truth)]
    grouped = [Example("x", (one,), f"g{at // 5}") for at, one in enumerate(truth)]
    loose = [Example("x", (one,)) for one in truth]
    wide, narrow = (interval(MULTIRC, "f1", answers, those) for those in (grouped, loose))
    assert wide[1] - wide[0] > 1.5 * (narrow[1] - narrow[0])


def bootstrap(statistic, n, draw, resamples=500):
    found = sorted(statistic(draw.choices(range(n), k=n)) for _ in range(resamples))
    return found[round(0.025 * resamples)], found[round(0.975 * resamples) - 1]


@pytest.mark.parametrize(("task", "name"), [
    (STSB, "pearson"), (SQUAD, "f1"),
])  # fmt: skip
def test_other_intervals_are_about_those_of_a_slow_bootstrap(task, name):
    draw = random.Random(1)
    if task is STSB:
        answers, examples = numbered(draw, 150)
    else:
        examples = [Example("x", (" ".join(draw.choices(WORDS, k=3)),)) for _ in range(150)]
        answers = [" ".join(draw.choices(WORDS, k=3)) for _ in examples]
    metric = task.metrics[name]

    def statistic(kept):
        return metric([answers[at] for at in kept], [examples[at] for at in kept])

    slow = bootstrap(statistic, len(examples), draw)
    quick = interval(task, name, answers, examples)
    assert quick == pytest.approx(slow, abs=0.15 * (slow[1] - slow[0]))


@pytest.mark.parametrize("n", [30, 250])
def test_leaving_out_kinds_or_blocks_is_leaving_out_examples(n):
    draw = random.Random(2)
    values = [draw.choice("abcd") for _ in range(n)]
    worth = {"a": 1.0, "b": 5.0, "c": -2.0, "d": 0.5}

    def statistic(kept):
        return fmean(worth[values[at]] for at in kept) ** 2

    one_by_one = [statistic([at for at in range(n) if at != gone]) for gone in range(n)]
    middle = fmean(one_by_one)
    slow = math.sqrt((n - 1) / n * sum((one - middle) ** 2 for one in one_by_one))
    units = [[at] for at in range(n)]
    assert jackknife(statistic, units, values) == pytest.approx(slow)
    # Blocks know less than examples, and say about the same.
    assert jackknife(statistic, units, range(n)) == pytest.approx(slow, rel=0.25)


@pytest.mark.parametrize("name", ["accuracy", "pearson"])
def test_about_95_of_100_intervals_hold_the_truth(name):
    draw, held = random.Random(3), 0
    for _ in range(200):
        if name == "pearson":
            (answers, examples), truth = numbered(draw, 60), 60.0
            low, high = interval(STSB, name, answers, examples)
        else:
            (answers, examples), truth = labelled(draw, 60, 0.6), 80.0
            low, high = interval(QQP, name, answers, examples)
        held += low <= truth <= high
    assert 0.90 <= held / 200 <= 0.99


def test_paired_answers_tell_a_difference_that_two_intervals_hide():
    draw = random.Random(4)
    ours, examples = labelled(draw, 400, 0.8)
    wrong = dict(zip(QQP.labels, reversed(QQP.labels), strict=True))
    theirs = [wrong[one.answers[0]] if at < 20 else a
              for at, (a, one) in enumerate(zip(ours, examples, strict=True))]  # fmt: skip
    low, high = difference(QQP, "accuracy", ours, theirs, examples)
    assert low > 0
    (our, its), (their, theirs_is) = (
        (QQP.metrics["accuracy"](one, examples), interval(QQP, "accuracy", one, examples))
        for one in (ours, theirs)
    )
    unpaired = apart(our, its, their, theirs_is)
    assert unpaired[0] < 0 < unpaired[1]
    assert low < our - their < high


@pytest.mark.parametrize(("task", "name", "answers", "examples"), [
    (QQP, "accuracy", ["duplicate"], [Example("x", ("duplicate",))]),  # one unit
    (QQP, "f1", ["duplicate"] * 9, [Example("x", ("duplicate",))] * 9),  # it never moves
    (tasks.get("e2e"), "bleu", ["a b"] * 9, [Example("x", ("a b",))] * 9),
])  # fmt: skip
def test_where_none_can_be_told_there_is_none(task, name, answers, examples):
    assert interval(task, name, answers, examples) is None


def test_the_mean_of_scores_and_their_difference_are_as_sure_as_their_parts():
    assert mean_of([80.0, 60.0], [(76.0, 84.0), (57.0, 63.0)]) == (67.5, 72.5)
    assert mean_of([80.0, 60.0], [(76.0, 84.0), None]) is None
    assert apart(80.0, (76.0, 84.0), 60.0, (57.0, 63.0)) == (15.0, 25.0)
    assert apart(80.0, None, 60.0, (57.0, 63.0)) is None
    assert around(99.0, 5.0, 0.0) == (pytest.approx(89.2, abs=0.01), 100.0)
