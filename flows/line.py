"""Who is next for a slot, among the jobs of this process."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from threading import Lock

from flows.slots import Device, Need, Slot, claim

FEW_SHOT, FULL, SWEEP = range(3)
"""Ranks: people wait for the first, and nobody for the last."""

rank: ContextVar[int] = ContextVar("rank", default=FULL)
"""That of the job which this thread is about."""


@dataclass(order=True)
class Place:
    """One who waits; the lowest rank is first, then who came first."""

    rank: int
    number: int
    need: Need = field(compare=False)


class Line:
    """Jobs that wait for slots.

    One that needs little may go before one that needs much, if there is no room for that now: no
    GPU is idle while a job waits that could run on it.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._numbers = count()
        self._waiting: list[Place] = []

    @contextmanager
    def standing(self, need: Need) -> Iterator[Place]:
        """Stand in line while the block runs."""
        with self._lock:
            place = Place(rank.get(), next(self._numbers), need)
            self._waiting.append(place)
        try:
            yield place
        finally:
            with self._lock:
                self._waiting.remove(place)

    def claim(self, place: Place, folder: Path, devices: Sequence[Device], job: str) -> Slot | None:
        """Take a slot, unless there is none for `place`, or somebody before it could have it."""
        with self._lock:
            for one in sorted(self._waiting):
                slot = claim(folder, devices, one.need, job)
                if slot is None:
                    continue
                if one == place:
                    return slot
                slot.close()
                return None
        return None
