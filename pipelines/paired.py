"""Whether one prompt is really better than another on the same examples: a paired bootstrap."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from pipelines.score_interval import gain, unit_scores, units_of
from tasks import Example, Task

RESAMPLES = 999


@dataclass(frozen=True)
class Answered:
    """One task's examples, and what both prompts answered."""

    task: Task
    metric: str
    examples: Sequence[Example]
    ours: Sequence[str]
    theirs: Sequence[str]

    def gain(self, kept: Sequence[int] | None = None) -> float:
        """Return the score of ours minus that of theirs, in points, on all or some examples."""
        better = gain(self.task, self.metric, self.ours, self.theirs, self.examples)
        return better(range(len(self.examples)) if kept is None else kept)


def mean_gain(asked: Sequence[Answered]) -> float:
    """Return how much better ours is by the mean over tasks, in points."""
    return fmean(one.gain() for one in asked)


def one_sided(asked: Sequence[Answered], seed: int = 0) -> float:
    """Return p of the claim that ours is better by the mean over tasks.

    Examples are drawn anew with replacement, the same ones for both sides; p is the share of the
    draws in which ours is no better, one more added to both counts (Davison & Hinkley 1997,
    section 4.2). The same answers have the same p everywhere.
    """
    random = np.random.default_rng(seed)
    gains = np.mean([_draws(one, random) for one in asked], axis=0)
    return float((1 + np.count_nonzero(gains <= 0)) / (RESAMPLES + 1))


def _draws(one: Answered, random: np.random.Generator) -> NDArray[np.float64]:
    """Return the gain of each draw of one task, [RESAMPLES]."""
    units = units_of(one.examples)
    if (each := unit_scores(one.task, one.metric, one.gain, units)) is not None:
        # Units of equal gain are of one kind: only how often each kind is drawn counts.
        values, counts = np.unique(each, return_counts=True)
        drawn = random.multinomial(len(units), counts / len(units), RESAMPLES)
        means: NDArray[np.float64] = drawn @ values / len(units)
        return means
    drawn = random.integers(len(units), size=(RESAMPLES, len(units)))
    return np.array([one.gain([at for k in row for at in units[k]]) for row in drawn])
