"""Two sides of the same work: first whether they agree, then how long each takes, in turn."""

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from random import Random
from statistics import median, quantiles
from typing import Any, NamedTuple

import torch

from benchmarks.peers import BATCHES, Outcome, Setting, Work

SMALL = 4  # rows are enough to compare what both compute in float64, and leave memory for it
NULL = (0.95, 1.05)
SPREAD = 0.25
"""A median ratio of the first peer to itself outside of NULL, or an interquartile range of more
than so much of the median, says that the machine was busy: the figures are refused."""
LOOSE = {"generate": 0.02}
"""PEFT counts padding on the left as positions, so that its scores differ; their order must not."""


class Ratio(NamedTuple):
    """Our time over a peer's, in each round."""

    median: float
    q1: float
    q3: float

    @property
    def spread(self) -> float:
        """The interquartile range, in medians."""
        return (self.q3 - self.q1) / self.median


class Agreement(NamedTuple):
    """How far apart the results of both sides are, in the largest of the peer's values."""

    exact: float  # float64
    run: float  # in the precision that is timed
    holds: bool


def agreement(
    make: Callable[[Setting], Work], setting: Setting, work: Work
) -> dict[str, Agreement]:
    """Return how far each peer is from us: in float64 on a few rows, and on the work as timed."""
    few = replace(setting.shape, batch=min(SMALL, setting.shape.batch))
    exact_setting = replace(setting, shape=few, dtype=torch.float64)
    exact = make(exact_setting)
    apart = {}
    for peer in work.peers:
        wide, run = _apart(exact, peer, exact_setting), _apart(work, peer, setting)
        apart[peer] = Agreement(wide[0], run[0], wide[1] and run[1])
    return apart


def _apart(work: Work, peer: str, setting: Setting) -> tuple[float, bool]:
    """Return the largest difference between our results and a peer's; and whether it is small."""
    with setting.running("ours"):
        ours = work.ours(0)
    with setting.running(peer):
        theirs = getattr(work, peer)(0)
    far = {
        name: float((ours[name].double() - theirs[name].double()).abs().max()) for name in theirs
    }
    sizes = {name: float(theirs[name].abs().max()) for name in theirs}
    loss = far.pop("loss", 0.0) / sizes.pop("loss", 1.0)
    # In the largest gradient of all: a norm undoes most of what a left factor does, so that its
    # own gradient is what is left of terms a thousand times larger.
    gradient = max(far.values(), default=0.0) / max(sizes.values(), default=1.0)
    limit = max(LOOSE.get(peer, 0.0), setting.tolerance)
    holds = gradient <= limit and loss <= max(limit / 10, 1e-6)
    return max(gradient, loss), holds and _same_answers(ours, theirs, limit)


def _same_answers(ours: Outcome, theirs: Outcome, limit: float) -> bool:
    """Say whether each row's best label is the same, but for ties.

    Scores may differ by `limit` of the largest; labels that are closer than twice that are tied.
    """
    if "scores" not in theirs:
        return True
    scores = theirs["scores"].double()
    chosen = scores.gather(1, ours["scores"].argmax(dim=1, keepdim=True))
    lost = scores.amax(dim=1) - chosen.squeeze(1)
    return bool((lost <= 2 * limit * scores.abs().max()).all())


class Seconds(NamedTuple):
    """How long one turn took."""

    wall: float
    cpu: float  # of all threads of this process: another's work counts little


def rounds(work: Work, setting: Setting, pairs: int) -> dict[str, list[Seconds]]:
    """Return the times of each side in each round; the sides take turns in random order.

    "null" is the first peer once more.
    """
    names = ["ours", *work.peers, "null"]
    sides = {name: getattr(work, work.peers[0] if name == "null" else name) for name in names}
    seconds: dict[str, list[Seconds]] = {name: [] for name in names}
    order = Random(setting.seed)
    for at in range(pairs):
        for name in order.sample(names, len(names)):
            with setting.running(name):
                seconds[name].append(_seconds(sides[name], at % BATCHES, setting.device))
    return seconds


def _seconds(side: Callable[[int], Any], at: int, device: str) -> Seconds:
    synchronize(device)
    wall, cpu = time.perf_counter(), time.process_time()
    side(at)
    synchronize(device)
    return Seconds(time.perf_counter() - wall, time.process_time() - cpu)


def synchronize(device: str) -> None:
    """Wait until an accelerator has done what it was given."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


def ratio(ours: Iterable[float], theirs: Iterable[float]) -> Ratio:
    """Return the median and the quartiles of the rounds' ratios."""
    each = [one / other for one, other in zip(ours, theirs, strict=True)]
    low, _, high = quantiles(each, n=4, method="inclusive") if len(each) > 1 else each * 3
    return Ratio(median(each), low, high)


def is_noisy(found: Ratio, null: Ratio) -> bool:
    """Say whether the machine was too busy to tell."""
    return not NULL[0] <= null.median <= NULL[1] or found.spread > SPREAD
