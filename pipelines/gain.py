"""How much better one set of answers is than another to the same examples, and how sure that is."""

from collections.abc import Callable, Sequence
from random import Random
from statistics import fmean

from tasks import Example

RESAMPLES = 400

Metric = Callable[[Sequence[str], Sequence[Example]], float]


def gain_interval(
    ours: Sequence[Sequence[str]],
    theirs: Sequence[Sequence[str]],
    examples: Sequence[Example],
    metric: Metric,
) -> tuple[float, float]:
    """Return the 95 % interval of the mean score of `ours` minus that of `theirs`.

    The examples are drawn anew, with replacement, the same ones for both and for every seed
    (paired bootstrap, Efron & Tibshirani 1993, chapter 16). Training noise is not in it; the
    standard deviations over seeds show that.
    """
    draw = Random(0)
    gains = []
    for _ in range(RESAMPLES):
        chosen = [int(draw.random() * len(examples)) for _ in examples]
        asked = [examples[at] for at in chosen]
        means = [
            fmean(metric([answers[at] for at in chosen], asked) for answers in side)
            for side in (ours, theirs)
        ]
        gains.append(means[0] - means[1])
    gains.sort()
    return gains[round(0.025 * RESAMPLES)], gains[round(0.975 * RESAMPLES) - 1]
