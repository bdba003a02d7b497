"""Questions that can be asked of any text: what stands where, is it in order, are two the same?

A source task is too narrow a teacher: a backbone that has only met its few questions has little
else for a prompt to choose. These want reading, searching and comparing, on books too.
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import NamedTuple

YES_NO = (("no", "yes"), ("False", "True"), ("wrong", "right"))
SAME = (("different", "same"), ("no", "yes"), ("False", "True"))


class Asked(NamedTuple):
    """A kind of question, an instruction with the text it is about, and the answer."""

    kind: str
    input: str
    answer: str


def ask(text: str, other: str, rng: Random) -> Asked:
    """Ask something about `text`; `other` is any other text, for words that are not in it."""
    kind = rng.choices(list(KINDS), [weight for _, weight in KINDS.values()])[0]
    question, answer = KINDS[kind][0](text.split(), other.split(), rng)
    return Asked(kind, question, answer)


def place(words: Sequence[str], others: Sequence[str], rng: Random) -> tuple[str, str]:
    """Ask for the first or the last word."""
    which = rng.choice(["first", "last"])
    return f"What is the {which} word? {' '.join(words)}", words[0 if which == "first" else -1]


def neighbour(words: Sequence[str], others: Sequence[str], rng: Random) -> tuple[str, str]:
    """Ask for one word by another: what most questions about a text come to."""
    once = [at for at, word in enumerate(words) if words.count(word) == 1]
    at = rng.choice(once or [0])
    after = at + 1 < len(words) and (at == 0 or rng.random() < 0.6)
    side, found = ("after", at + 1) if after else ("before", max(at - 1, 0))
    word, answer = words[at], words[found]
    if rng.random() < 0.25 and (absent := [word for word in others if word not in words]):
        word, answer = rng.choice(absent), "nothing"
    return f"What comes {side} {word} ? {' '.join(words)}", answer


def in_both(words: Sequence[str], others: Sequence[str], rng: Random) -> tuple[str, str]:
    """Ask for the one word that two lists share.

    A copied word teaches to match sooner than yes or no does: it says more, and says where.
    """
    distinct = sorted({*words, *others})
    rng.shuffle(distinct)
    size = min(rng.choice([1, 1, 2, 2, 3, 4]), len(distinct) // 2)
    first, second = distinct[:size], distinct[size : 2 * size]
    shared = rng.choice(first) if rng.random() < 0.7 else "nothing"
    if shared != "nothing":
        second[rng.randrange(size)] = shared
    return f"What is in both? {' '.join(first)} | {' '.join(second)}", shared


def contains(words: Sequence[str], others: Sequence[str], rng: Random) -> tuple[str, str]:
    """Ask whether a word is there."""
    shown = piece(words, rng)
    word = rng.choice(shown if rng.random() < 0.5 else [*others, *words])
    labels = rng.choice(YES_NO)
    asked = f"Does it contain the word {word} ? {' or '.join(labels)} . {' '.join(shown)}"
    return asked, labels[word in shown]


def piece(words: Sequence[str], rng: Random) -> Sequence[str]:
    """Return a part of `words`, mostly a short one: equality is learned on one word first."""
    size = min(len(words), rng.choice([1, 1, 1, 2, 2, 3, 4, 6, len(words)]))
    at = rng.randrange(len(words) - size + 1)
    return words[at : at + size]


def in_order(words: Sequence[str], others: Sequence[str], rng: Random) -> tuple[str, str]:
    """Ask whether two neighbours have changed places."""
    shown, right = list(words), rng.random() < 0.5
    if not right:
        pairs = [at for at in range(len(words) - 1) if words[at] != words[at + 1]]
        at = rng.choice(pairs or [0])
        shown[at : at + 2] = reversed(shown[at : at + 2])
    labels = rng.choice(YES_NO)
    return f"Are the words in order? {' or '.join(labels)} . {' '.join(shown)}", labels[right]


def same(words: Sequence[str], others: Sequence[str], rng: Random) -> tuple[str, str]:
    """Ask whether a text was repeated, or with another word in it, or with two exchanged."""
    first, second = repeated(words, others, rng)
    labels = rng.choice(SAME)
    asked = f"Do both say the same? {' or '.join(labels)} . {' '.join(first)} | {' '.join(second)}"
    return asked, labels[first == second]


def new_word(words: Sequence[str], others: Sequence[str], rng: Random) -> tuple[str, str]:
    """Ask for the first word that a repeated text has otherwise."""
    first, second = repeated(words, others, rng)
    changed = (new for old, new in zip(first, second, strict=True) if old != new)
    asked = f"What is new in the second? {' '.join(first)} | {' '.join(second)}"
    return asked, next(changed, "nothing")


def repeated(
    words: Sequence[str], others: Sequence[str], rng: Random
) -> tuple[list[str], list[str]]:
    """Return a piece of `words`, and the same again; in half of the cases not quite the same."""
    first = list(piece(words, rng))
    second = list(first)
    if rng.random() < 0.5:
        at = rng.randrange(len(second))
        if len(second) > 1 and rng.random() < 0.5:
            second[at], second[at - 1] = second[at - 1], second[at]
        else:
            second[at] = rng.choice([*others, *words])
    return first, second


Maker = Callable[[Sequence[str], Sequence[str], Random], tuple[str, str]]
KINDS: dict[str, tuple[Maker, float]] = {
    "place": (place, 1), "neighbour": (neighbour, 4), "in_both": (in_both, 5),
    "contains": (contains, 2), "in_order": (in_order, 6), "same": (same, 3),
    "new_word": (new_word, 3),
}  # fmt: skip
"""Of each kind: how it is made, and how often it is asked."""
