"""Who is next for a slot, among the jobs of this process, and of all that share its slots."""

import fcntl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import IO

from flows.slots import Device, Need, Slot, claim, lock_folder

FEW_SHOT, FULL, SWEEP = range(3)
"""Ranks: people wait for the first, and nobody for the last."""

rank: ContextVar[int] = ContextVar("rank", default=FULL)
"""That of the job which this thread is about."""


POLL = 0.1  # seconds from one look at the slots to the next, however many wait
COURTESY = 5 * POLL  # for which what is free is left to the urgent jobs of other processes


@dataclass(order=True)
class Place:
    """One who waits; the lowest rank is first, then who came first."""

    rank: int
    number: int
    need: Need = field(compare=False)
    job: str = field(compare=False)
    slot: Slot | None = field(default=None, compare=False)
    """What it got; whoever stands there takes it."""
    free_since: float | None = field(default=None, compare=False)
    """Since when there is room for it, which it leaves to others."""


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
    def standing(self, need: Need, job: str, folder: Path) -> Iterator[Place]:
        """Stand in line while the block runs; what it does not take is let go.

        Args:
            need: what the job asks for.
            job: what people call it.
            folder: of the locks of all slots.
        """
        with self._lock:
            place = Place(rank.get(), next(self._numbers), need, job)
            self._waiting.append(place)
        try:
            with _sign(folder, place.rank) as sign:
                fcntl.flock(sign, fcntl.LOCK_SH)
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
                one.slot = _claimed(one, folder, devices)
                if one.slot is None:
                    refused.append(one.need)


def _claimed(place: Place, folder: Path, devices: Sequence[Device]) -> Slot | None:
    slot = claim(folder, devices, place.need, place.job)
    if slot is None:
        place.free_since = None
    elif any(_waits(folder, urgent) for urgent in range(place.rank)):
        # They may need more than is free: then it is idle for no longer than this.
        place.free_since = place.free_since or monotonic()
        if monotonic() < place.free_since + COURTESY:
            slot.close()
            return None
    return slot


def _sign(folder: Path, rank: int) -> IO[str]:
    """Open the file that all who wait with this rank hold together."""
    lock_folder(folder)
    return open(folder / f"waiting.{rank}.lock", "a")


def _waits(folder: Path, rank: int) -> bool:
    """Say whether anybody waits with this rank."""
    with _sign(folder, rank) as sign:
        try:
            fcntl.flock(sign, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False
