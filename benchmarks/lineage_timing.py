"""How long things take, in turn, in milliseconds: the median, and how far others are from it."""

import os
import time
from collections.abc import Callable, Mapping
from statistics import median, quantiles
from typing import Any, NamedTuple

WARM = 3  # calls that do not count


class Timing(NamedTuple):
    """The times of several calls, in milliseconds."""

    median: float
    q1: float
    q3: float
    least: float
    most: float
    n: int

    @classmethod
    def of(cls, taken: list[float]) -> "Timing":
        """Return the figures of some times."""
        first, _, third = quantiles(taken, n=4)
        return cls(median(taken), first, third, min(taken), max(taken), len(taken))

    def __str__(self) -> str:
        spread = f"[{self.q1:.1f}, {self.q3:.1f}], {self.least:.1f} to {self.most:.1f}"
        return f"{self.median:.1f} ms {spread}, n = {self.n}"


def timed(works: Mapping[str, Callable[[int], Any]], times: int) -> dict[str, Timing]:
    """Return how long each of `works` takes; they are called in turn with 0, 1, 2, ..."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    for at in range(-WARM, times):
        for name, work in works.items():
            began = time.perf_counter()
            work(at)
            if at >= 0:
                taken[name].append((time.perf_counter() - began) * 1000)
    return {name: Timing.of(some) for name, some in taken.items()}


def load() -> float:
    """Return how many processes wanted a core, over the last minute."""
    return round(os.getloadavg()[0], 2)
