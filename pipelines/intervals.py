"""Arithmetic of 95 % intervals, in points."""

import math
from collections.abc import Sequence
from statistics import fmean

Z = 1.959964  # of the standard normal distribution, 95 % two-sided
PLACES = 6  # decimals that are kept: the last bits of a sum may differ from machine to machine

Interval = tuple[float, float]


def wilson(score: float, n: int) -> Interval:
    """Return Wilson's 95 % interval of a percentage of `n` units."""
    share, square = score / 100, Z * Z / n
    middle = (share + square / 2) / (1 + square)
    half = Z / (1 + square) * math.sqrt(share * (1 - share) / n + square / (4 * n))
    return _rounded(min(share, middle - half) * 100, max(share, middle + half) * 100)


def around(score: float, error: float, lowest: float, highest: float = 100.0) -> Interval | None:
    """Return the normal 95 % interval; None for no error at all, which nobody can believe."""
    if error < 10**-PLACES:
        return None
    return _rounded(max(lowest, score - Z * error), min(highest, score + Z * error))


def mean_of(scores: Sequence[float], intervals: Sequence[Interval | None]) -> Interval | None:
    """Return the interval of the mean of independent scores, if each has one."""
    known = [one for one in intervals if one is not None]
    if len(known) < len(scores):
        return None
    below = math.hypot(*(s - low for s, (low, _) in zip(scores, known, strict=True)))
    above = math.hypot(*(high - s for s, (_, high) in zip(scores, known, strict=True)))
    return _rounded(fmean(scores) - below / len(scores), fmean(scores) + above / len(scores))


def apart(
    ours: float, our: Interval | None, theirs: float, their: Interval | None
) -> Interval | None:
    """Return the interval of `ours` minus `theirs`, as if taken on different examples.

    Newcombe 1998, method 10: the distances to the limits are added as squares.
    """
    if our is None or their is None:
        return None
    gain = ours - theirs
    below = math.hypot(ours - our[0], their[1] - theirs)
    above = math.hypot(our[1] - ours, theirs - their[0])
    return _rounded(gain - below, gain + above)


def _rounded(low: float, high: float) -> Interval:
    return round(low, PLACES), round(high, PLACES)
