"""The p of a gain, beside a slow bootstrap that resamples rows one by one."""

import random
from dataclasses import replace

import pytest

import tasks
from pipelines.paired import Answered, mean_gain, one_sided
from tasks import Example

YES, NO = tasks.get("mrpc").labels


def answered(wins, losses, ties, task="rte", metric="accuracy"):
    """Answers of which so many are right on our side only, on theirs only, and on both."""
    right, wrong = tasks.get(task).labels[:2]
    ours = [right] * wins + [wrong] * losses + [right] * ties
    theirs = [wrong] * wins + [right] * losses + [right] * ties
    examples = [Example("", (right,))] * len(ours)
    return Answered(tasks.get(task), metric, examples, ours, theirs)


def slow(asked, resamples=1000):
    """Return p by resampling rows; every row drawn by itself."""
    draw = random.Random(1)
    no_better = 0
    for _ in range(resamples):
        gains = []
        for one in asked:
            n = len(one.examples)
            gains.append(one.gain([draw.randrange(n) for _ in range(n)]))
        no_better += sum(gains) / len(gains) <= 0
    return no_better / resamples


@pytest.mark.parametrize(("wins", "losses", "ties"), [
    (10, 2, 30), (6, 4, 50), (3, 3, 20), (2, 8, 20), (1, 0, 40),
])  # fmt: skip
def test_p_is_that_of_a_slow_bootstrap(wins, losses, ties):
    asked = [answered(wins, losses, ties)]
    assert one_sided(asked) == pytest.approx(slow(asked), abs=0.05)


def test_a_metric_that_is_no_mean_is_taken_anew_on_each_draw():
    draw = random.Random(0)
    truth = [draw.choice((YES, NO)) for _ in range(60)]
    ours = [one if draw.random() < 0.8 else YES for one in truth]
    theirs = [one if draw.random() < 0.6 else YES for one in truth]
    examples = [Example("", (one,)) for one in truth]
    one = Answered(tasks.get("mrpc"), "f1", examples, ours, theirs)
    assert one_sided([one]) == pytest.approx(slow([one], 200), abs=0.1)


def test_groups_are_drawn_whole():
    one = answered(10, 2, 0)
    alone = one_sided([one])
    grouped = replace(one, examples=[e._replace(group=f"g{at // 6}") for at, e in
                                     enumerate(one.examples)])  # fmt: skip
    assert one_sided([grouped]) != alone


def test_tasks_count_alike_whatever_their_sizes():
    large, small = answered(0, 30, 300), answered(8, 0, 2)
    assert mean_gain([large, small]) > 0
    assert one_sided([large, small]) < 0.05
    assert one_sided([large]) > 0.95


def test_p_is_never_0_and_the_same_every_time():
    asked = [answered(50, 0, 0)]
    assert one_sided(asked) == one_sided(asked) == 1 / 1000
    assert one_sided([answered(0, 0, 50)]) == 1.0
