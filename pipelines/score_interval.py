"""How sure a score is: its 95 % interval, for the sampling of the examples that it was taken on.

No random number is drawn: the same answers have the same interval everywhere. What a training
would have given with another seed is not in it.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence
from statistics import fmean, stdev

from pipelines.intervals import Interval, around, wilson
from tasks import Example, Task

BLOCKS = 100  # in which examples are left out where there are more kinds: a bound on the cost

MEANS = ("accuracy", "exact_match", "parity", "rouge_l")
"""Metrics that are the mean of a score of each unit; F1 is, where it counts words."""
CORRELATIONS = ("mcc", "pearson", "spearman")
"""Metrics that may be negative."""
DEAR = ("bleu", "chrf")
"""Metrics of a whole collection of texts: to take them a hundred times costs minutes."""

Answers = Sequence[str]
Places = Sequence[int]
Statistic = Callable[[Places], float]
"""From the places of the examples that count, to a score."""


def interval(
    task: Task, name: str, answers: Answers, examples: Sequence[Example]
) -> Interval | None:
    """Return the 95 % interval of a score in points; None where none can be told.

    Of a mean of right and wrong it is Wilson's (1927), of another mean it is that of the normal
    distribution, and of anything else that of the jackknife (Efron & Tibshirani 1993, chapter 11).
    What is sampled is the example, or the group of examples that are scored together.
    """
    metric, units = task.metrics[name], units_of(examples)
    if name in DEAR or len(units) < 2:
        return None

    def statistic(kept: Places) -> float:
        return metric([answers[at] for at in kept], [examples[at] for at in kept])

    score = statistic(range(len(examples)))
    if each := unit_scores(task, name, statistic, units):
        if set(each) <= {0.0, 100.0}:
            return wilson(score, len(each))
        error = stdev(each) / math.sqrt(len(each))
    else:
        kinds = [(one, example.answers) for one, example in zip(answers, examples, strict=True)]
        error = jackknife(statistic, units, kinds)
    return around(score, error, -100.0 if name in CORRELATIONS else 0.0)


def difference(
    task: Task, name: str, ours: Answers, theirs: Answers, examples: Sequence[Example]
) -> Interval | None:
    """Return the 95 % interval of `ours` minus `theirs`, both of the same examples (paired)."""
    units, statistic = units_of(examples), gain(task, name, ours, theirs, examples)
    if name in DEAR or len(units) < 2:
        return None
    if each := unit_scores(task, name, statistic, units):
        error = stdev(each) / math.sqrt(len(each))
    else:
        kinds = [(a, b, one.answers) for a, b, one in zip(ours, theirs, examples, strict=True)]
        error = jackknife(statistic, units, kinds)
    return around(statistic(range(len(examples))), error, -200.0, 200.0)


def gain(
    task: Task, name: str, ours: Answers, theirs: Answers, examples: Sequence[Example]
) -> Statistic:
    """Return what says how much better `ours` is on the examples that count, in points."""
    metric = task.metrics[name]

    def statistic(kept: Places) -> float:
        asked = [examples[at] for at in kept]
        return metric([ours[at] for at in kept], asked) - metric([theirs[at] for at in kept], asked)

    return statistic


def units_of(examples: Sequence[Example]) -> list[list[int]]:
    """Return the places of the examples of each unit: one, or a group that is scored together."""
    units: defaultdict[Hashable, list[int]] = defaultdict(list)
    for at, example in enumerate(examples):
        units[example.group or at].append(at)
    return list(units.values())


def jackknife(statistic: Statistic, units: Sequence[Places], kinds: Sequence[Hashable]) -> float:
    """Return the standard error of `statistic`: how much it moves as units are left out in turn.

    Args:
        statistic: takes the places that are kept.
        units: the places of each.
        kinds: of each place. Whichever of a kind is left out, the statistic is the same, so each
            kind is left out once and counted as often as it is there.
    """
    places = sorted(at for unit in units for at in unit)
    counted = Counter(kinds)
    if len(units) == len(places) and len(counted) <= BLOCKS:
        first = {kind: at for at, kind in reversed(list(enumerate(kinds)))}
        left_out = [({first[kind]}, count) for kind, count in counted.items()]
    else:
        blocks = min(BLOCKS, len(units))
        left_out = [({at for unit in units[k::blocks] for at in unit}, 1) for k in range(blocks)]
    n = sum(count for _, count in left_out)
    values = [(statistic([at for at in places if at not in gone]), c) for gone, c in left_out]
    middle = sum(value * count for value, count in values) / n
    return math.sqrt((n - 1) / n * sum(count * (value - middle) ** 2 for value, count in values))


def unit_scores(
    task: Task, name: str, statistic: Statistic, units: Sequence[Places]
) -> list[float] | None:
    """Return the score of each unit, if the metric is their mean."""
    if name not in MEANS and not (name == "f1" and not task.labels):
        return None
    each = [statistic(unit) for unit in units]
    whole = statistic([at for unit in units for at in unit])
    # Accuracy by groups of several sizes is no mean of theirs.
    return each if math.isclose(fmean(each), whole, abs_tol=1e-6) else None
