"""Who is next for a slot, among the jobs of this process."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from threading import Lock
from time import monotonic

from flows.slots import Device, Need, Slot, claim

FEW_SHOT, FULL, SWEEP = range(3)
"""Ranks: people wait for the first, and nobody for the last."""

rank: ContextVar[int] = ContextVar("rank", default=FULL)
"""That of the job which this thread is about."""


POLL = 0.1  # seconds from one look at the slots to the next, however many wait


@dataclass(order=True)
class Place:
    """One who waits; the lowest rank is first, then who came first."""

    rank: int
    number: int
    need: Need = field(compare=False)
    job: str = field(compare=False)
    slot: Slot | None = field(default=None, compare=False)
    """What it got; whoever stands there takes it."""


class Line:
    """Jobs that wait for slots.

    One that needs little may go before one that needs much, if there is no room for that now: no
    GPU is idle while a job waits that could run on it.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._numbers = count()
        self._waiting: list[Place] = []
        self._next = 0.0  # when the slots are looked at again

    @contextmanager
    def standing(self, need: Need, job: str) -> Iterator[Place]:
        """Stand in line while the block runs; what it does not take is let go."""
        with self._lock:
            place = Place(rank.get(), next(self._numbers), need, job)
            self._waiting.append(place)
        try:
            yield place
        finally:
            with self._lock:
                self._waiting.remove(place)
            if place.slot:
                place.slot.close()

    def take(self, place: Place, folder: Path, devices: Sequence[Device]) -> Slot | None:
        """Take the slot of `place`, if it is its turn and there is room."""
        with self._lock:
            if monotonic() >= self._next:
                self._next = monotonic() + POLL
                self._give(folder, devices)
            slot, place.slot = place.slot, None
            return slot

    def _give(self, folder: Path, devices: Sequence[Device]) -> None:
        refused: list[Need] = []
        for one in sorted(self._waiting):
            # Who asks for no less than somebody who was refused need not be looked at.
            if one.slot is None and not any(one.need >= less for less in refused):
                one.slot = claim(folder, devices, one.need, one.job)
                if one.slot is None:
                    refused.append(one.need)
