"""Distinct rows from a seed: the same bytes on any machine."""

from collections.abc import Callable, Mapping
from functools import cache
from random import Random

from tasks.mini.lexicon import Words
from tasks.task import Row

SIZES = {"train": 2000, "validation": 400, "test": 500}

Maker = Callable[[Words], Row]


def text_of(row: Row) -> str:
    """Return all that can be read of `row`, without its label."""
    return "|".join(str(value) for key, value in row.items() if key != "label")


def distinct(make: Maker, words: Words, count: int, seen: set[str]) -> list[Row]:
    """Return `count` rows whose text is not in `seen`, and add theirs to it.

    Raises:
        RuntimeError: the grammar of `make` is too small for so many distinct rows.
    """
    rows: list[Row] = []
    for _ in range(100 * count):
        row = make(words)
        if (text := text_of(row)) not in seen:
            seen.add(text)
            rows.append(row)
        if len(rows) == count:
            return rows
    raise RuntimeError(f"{make.__name__} made only {len(rows)} distinct rows of {count}")


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
