"""Rows in other words: what a row says of its words must not depend on which words they are.

A small backbone learns a closed lexicon by heart. It then copies and compares no word that it has
not met in that place, which a prompt for another task would need.
"""

import re
from collections import Counter
from collections.abc import Sequence
from random import Random

from tasks.mini.lexicon import COLOURS, NAMES, PEOPLE, PLACES, THINGS
from tasks.task import Row

# Verbs, numbers and opinions mean something to a task; these only fill its places.
FILLERS = {*NAMES, *PEOPLE, *THINGS, *PLACES, *COLOURS}
PLURALS = {f"{word}s": word for word in PEOPLE}


def common_words(texts: Sequence[str], count: int = 3000) -> list[str]:
    """Return the most frequent plain words of `texts`, of 4 letters or more, no plurals."""
    counts = Counter(word for text in texts for word in text.split())
    plain = (word for word, _ in counts.most_common() if re.fullmatch("[a-z]{3,}[a-rt-z]", word))
    return [word for word, _ in zip(plain, range(count), strict=False)]


def disguise(row: Row, words: Sequence[str], rng: Random) -> Row:
    """Return `row` with each filler replaced by one of `words`: the same by the same."""
    texts = {column: str(text) for column, text in row.items() if column != "label"}
    found = {word for text in texts.values() for word in re.findall(r"\w+", text)}
    fillers = sorted({PLURALS.get(word, word) for word in found} & FILLERS)
    new = dict(zip(fillers, rng.sample(words, len(fillers)), strict=True))
    new |= {many: f"{new[one]}s" for many, one in PLURALS.items() if one in new}
    changed = {
        column: re.sub(r"\w+", lambda match: new.get(match[0], match[0]), text)
        for column, text in texts.items()
    }
    return {**changed, "label": row["label"]}
