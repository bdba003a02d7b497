"""Set Classification: made-up words, and which of four sets most of them are members of.

Nothing that a backbone has read tells it what is in a set; only the examples of its task can. The
sets belong to the seed. Rows of all splits draw on the same sets, and no row occurs twice.
"""

from collections.abc import Mapping
from functools import cache
from random import Random

from tasks.mini.generate import distinct
from tasks.mini.lexicon import Words
from tasks.task import Row

LABELS = ("first", "second", "third", "fourth")
MEMBERS = 12  # of a set
SHOWN = 4  # of them in a row, with one stranger among them
CONSONANTS, VOWELS = "bdfgklmnprstvz", "aeiou"


@cache
def sets(seed: int) -> tuple[tuple[str, ...], ...]:
    """Return the members of each set; no word is in two of them."""
    words = Words(Random(f"{seed} sets"), held_out=False)
    found: dict[str, None] = {}
    while len(found) < MEMBERS * len(LABELS):
        found["".join(words.choice(letters) for letters in (CONSONANTS, VOWELS) * 2)] = None
    every = list(found)
    return tuple(tuple(every[at :: len(LABELS)]) for at in range(len(LABELS)))


def splits(seed: int, sizes: Mapping[str, int]) -> dict[str, list[Row]]:
    """Return so many rows of each split: the same ones for the same seed and sizes."""
    return _splits(seed, tuple(sizes.items()))


@cache
def _splits(seed: int, sizes: tuple[tuple[str, int], ...]) -> dict[str, list[Row]]:
    known, seen = sets(seed), set[str]()

    def row(words: Words) -> Row:
        label = words.below(len(LABELS))
        stranger = words.choice([one for at, one in enumerate(known) if at != label])
        shown = [*words.sample(known[label], SHOWN), words.choice(stranger)]
        return {"words": " ".join(words.sample(shown, len(shown))), "label": label}

    return {
        split: distinct(row, Words(Random(f"{seed} sets {split}"), held_out=False), count, seen)
        for split, count in sizes
    }
