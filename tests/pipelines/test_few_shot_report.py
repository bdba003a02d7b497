"""The interval of few-shot scores: over draws and test rows, and paired for a gain."""

from statistics import NormalDist, fmean

from pipelines.few_shot_report import interval
from tasks import Example
from tasks.metrics import accuracy

ROWS = [Example(f"text {at}", ("yes",)) for at in range(200)]


def answers(right):
    """Say yes to the first so many of a hundred, twice."""
    return (["yes"] * right + ["no"] * (100 - right)) * 2


def test_the_interval_holds_the_mean_and_is_as_wide_as_the_rows_make_it():
    low, high = interval([answers(70)] * 5, ROWS, accuracy)
    assert low < 70 < high
    error = 100 * (0.7 * 0.3 / len(ROWS)) ** 0.5
    normal = NormalDist(70, error)
    assert abs(low - normal.inv_cdf(0.025)) < 2
    assert abs(high - normal.inv_cdf(0.975)) < 2


def test_draws_that_differ_make_it_wider():
    same = interval([answers(70)] * 4, ROWS, accuracy)
    other = interval([answers(right) for right in (40, 60, 80, 100)], ROWS, accuracy)
    assert other[1] - other[0] > 2 * (same[1] - same[0])


def test_a_gain_is_paired_by_draw_and_row():
    theirs = [answers(right) for right in (40, 60, 80)]
    assert interval(theirs, ROWS, accuracy, theirs) == (0.0, 0.0)
    better = [answers(right + 5) for right in (40, 60, 80)]
    low, high = interval(better, ROWS, accuracy, theirs)
    assert 0 < low < 5 < high < 10
    mean = fmean(accuracy(one, ROWS) for one in better)
    assert interval(better, ROWS, accuracy)[0] < mean
