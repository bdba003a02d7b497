"""Distinct rows from a seed: the same bytes on any machine."""

from collections.abc import Callable, Mapping
from functools import cache
from random import Random

from tasks.mini.lexicon import Words
from tasks.task import Row

SIZES = {"train": 2000, "validation": 400, "test": 500}
LAST = 10_000  # old rows in turn: then fewer than one in thousands is new

Maker = Callable[[Words], Row]


class GrammarEnds(ValueError):
    """More rows are wanted than a grammar has."""

    def __init__(self, made: int, wanted: int) -> None:
        super().__init__(
            f"the grammar has only {made:,} distinct rows left for a split of {wanted:,}: "
            "ask for fewer rows"
        )


def text_of(row: Row) -> str:
    """Return all that can be read of `row`, without its label."""
    return "|".join(str(value) for key, value in row.items() if key != "label")


def distinct(make: Maker, words: Words, count: int, seen: set[str]) -> list[Row]:
    """Return `count` rows whose text is not in `seen`, and add theirs to it.

    Raises:
        GrammarEnds: so many rows in turn were old ones that hardly a new one is left.
    """
    rows: list[Row] = []
    old = 0
    while len(rows) < count:
        row = make(words)
        if (text := text_of(row)) in seen:
            old += 1
            if old == LAST:
                raise GrammarEnds(len(rows), count)
            continue
        seen.add(text)
        rows.append(row)
        old = 0
    return rows


def splits(make: Maker, seed: int, sizes: Mapping[str, int] = SIZES) -> dict[str, list[Row]]:
    """Return so many train, validation and test rows of `make`; no text is in two of them."""
    return _splits(make, seed, tuple(sizes.items()))


@cache
def _splits(make: Maker, seed: int, sizes: tuple[tuple[str, int], ...]) -> dict[str, list[Row]]:
    seen: set[str] = set()
    return {
        split: distinct(
            make,
            Words(Random(f"{seed} {make.__name__} {split}"), held_out=split == "test"),
            count,
            seen,
        )
        for split, count in sizes
    }
