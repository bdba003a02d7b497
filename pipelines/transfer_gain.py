"""What the transfer matrix says beyond its SQL: how sure a gain is, and whether it is a loss."""

from typing import Any

from pipelines.intervals import Interval, apart
from pipelines.statements import Answer


def with_intervals(matrix: Answer) -> Answer:
    """Add low, high and negative: the 95 % interval of the gain, and "yes", "maybe" or "no".

    The interval is Newcombe's, as if both sides had been taken on different rows: it is wide, so
    "yes" can be relied on. Training noise is in the means over seeds, and not in it.
    """
    return matrix.extended(("low", "high", "negative"), [_more(one) for one in matrix.records()])


def _more(cell: dict[str, Any]) -> tuple[float | None, float | None, str]:
    sides = [_interval(cell, side) for side in ("transfer", "scratch")]
    found = apart(cell["transfer"], sides[0], cell["scratch"], sides[1])
    low, high = found or (None, None)
    return low, high, negative(cell["gain"], high)


def _interval(cell: dict[str, Any], side: str) -> Interval | None:
    low, high = cell[f"{side}_low"], cell[f"{side}_high"]
    return None if low is None or high is None else (low, high)


def negative(gain: float, high: float | None) -> str:
    """Say whether a transfer harms: yes, if all of its interval is below 0."""
    if gain >= 0:
        return "no"
    return "yes" if high is not None and high < 0 else "maybe"
