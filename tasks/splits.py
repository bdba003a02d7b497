"""How the splits that a task is published with become train, validation and test.

The protocol of the MPT tables: Karimi Mahabadi et al. 2021 (Compacter), as coded for ATTEMPT (Asai
et al. 2022). Published test labels are hidden, so small tasks share their validation split between
validation and test (`HALVE`), and large ones give up 1,000 training rows (`CARVE`). Which row goes
where depends on the number of rows alone, never on a training seed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from random import Random
from typing import NamedTuple

SEED = 42  # of the split, for ever; a training seed never reaches this file
CARVED = 1_000


@dataclass(frozen=True)
class Splits:
    """Where each of our three splits comes from, by the source's name for it.

    Args:
        train: what to train on.
        validation: what to choose by; None is the first 1,000 rows of the shuffled `train`.
        test: what is reported; the same name as `validation` means that each gets half of it.
        train_rows: keep so many shuffled rows to train on; None is all of them.
        share: of the training rows, for each split that is carved or missing; None is 1,000 rows.
            With a share, rows that read the same stay together, as if they were a group.
        cut_groups: let a cut go through a group, as the public ports do.
    """

    train: str = "train"
    validation: str | None = None
    test: str = "validation"
    train_rows: int | None = None
    share: float | None = None
    cut_groups: bool = False

    def carved(self, rows: int) -> int:
        """Return how many of the training rows serve for a split that is not there."""
        return CARVED if self.share is None else max(1, round(self.share * rows))

    @property
    def names(self) -> tuple[str, ...]:
        """The source's splits that are read, `train` first, each once."""
        wanted = (self.train, self.validation, self.test)
        return tuple(dict.fromkeys(name for name in wanted if name is not None))


HALVE = Splits(validation="validation", test="validation")
CARVE = Splits(validation=None, test="validation")
OWN = Splits(validation="validation", test="test")
TEST_ONLY = Splits(train="test", test="test")  # of a diagnostic set: all that there is


class Part(NamedTuple):
    """One of our splits: these rows, counted from 0, of this split of the source."""

    split: str
    rows: list[int]


class Assignment(NamedTuple):
    """Which row of the source goes where; no row goes to two places."""

    train: Part
    validation: Part
    test: Part


Unit = list[int]
"""Rows that stay together: the answers of one question, or a single row."""


def assign(splits: Splits, groups: Mapping[str, Sequence[str]]) -> Assignment:
    """Return the rows of train, validation and test; any of them may come out empty.

    Rows of one non-empty group stay together, so a cut through grouped rows falls on the group's
    boundary that is nearest. A split that `groups` lacks is replaced by the first rows of the
    shuffled training split that nothing else has taken.

    Args:
        splits: the task's protocol.
        groups: for each split that the source has, the group of each row; "" is a row alone.
    """
    if splits.cut_groups:
        groups = {name: [""] * len(rows) for name, rows in groups.items()}
    wanted = list(dict.fromkeys((splits.validation, splits.test)))
    train = units(groups[splits.train])
    if splits.train_rows or any(name not in groups for name in wanted):
        train = shuffled(train)
    held: list[tuple[str, list[Unit]]] = []
    for name in wanted:
        if name is not None and name in groups:
            held.append((name, units(groups[name])))
        else:
            taken, train = divide(train, splits.carved(len(groups[splits.train])))
            held.append((splits.train, taken))
    if len(held) == 1:
        source, whole = held[0]
        halves = divide(shuffled(whole), sum(map(len, whole)) // 2)
        held = [(source, half) for half in halves]
    if splits.train_rows:
        train, _ = divide(train, splits.train_rows)
    parts = [(splits.train, train), *held]
    return Assignment(*(Part(source, list(chain.from_iterable(part))) for source, part in parts))


def units(groups: Sequence[str]) -> list[Unit]:
    """Return the rows that stay together, in the order in which each unit first appears."""
    found: dict[str | int, Unit] = {}
    for row, group in enumerate(groups):
        found.setdefault(group or row, []).append(row)
    return list(found.values())


def shuffled(whole: Sequence[Unit]) -> list[Unit]:
    """Return the units in the order of this project's split, the same in every Python.

    `random.shuffle` may draw differently in a later version; `random()` of a seed is promised.
    """
    draw = Random(SEED)
    keys = [draw.random() for _ in whole]
    return [whole[at] for at in sorted(range(len(whole)), key=keys.__getitem__)]


def divide(whole: Sequence[Unit], rows: int) -> tuple[list[Unit], list[Unit]]:
    """Cut where the first part's number of rows is nearest to `rows`; the smaller one if tied."""
    ends = [0, *accumulate(map(len, whole))]
    at = min(range(len(ends)), key=lambda count: abs(ends[count] - rows))
    return list(whole[:at]), list(whole[at:])
