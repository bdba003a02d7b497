"""Paraphrase: do two sentences, or two questions, say the same?"""

from tasks.mini.lexicon import CARRY, MEET, NAMES, PEOPLE, PLACES, THINGS, Words
from tasks.task import Row


def meeting(words: Words) -> Row:
    """Who did it to whom, said in the active or the passive voice; a wrong one swaps the two."""
    label = words.below(2)
    (one, other), verb = words.pick(PEOPLE, 2), words.one(MEET)
    place = words.one(PLACES)
    doer, done_to = (one, other) if label else (other, one)
    first = words.choice(
        [
            f"the {one} {verb.did} the {other} in the {place} .",
            f"in the {place} the {one} {verb.did} the {other} .",
        ]
    )
    second = words.choice(
        [
            f"the {done_to} was {verb.done} by the {doer} in the {place} .",
            f"in the {place} the {done_to} was {verb.done} by the {doer} .",
            f"it was the {doer} who {verb.did} the {done_to} in the {place} .",
        ]
    )
    if words.coin():
        first, second = second, first
    return {"sentence1": first, "sentence2": second, "label": label}


def question(words: Words) -> Row:
    """Two questions; a wrong pair asks for another thing, or swaps giver and receiver."""
    label = words.below(2)
    (giver, taker), (thing, other) = words.pick(NAMES, 2), words.pick(THINGS, 2)
    verb = words.one(CARRY)
    swap = not label and words.coin()
    a, b = (taker, giver) if swap else (giver, taker)
    asked = thing if label or swap else other
    first = f"where has {giver} {verb.done} the {thing} for {taker} ?"
    second = words.choice(
        [
            f"in what place was the {asked} {verb.done} by {a} for {b} ?",
            f"for {b} , where was the {asked} {verb.done} by {a} ?",
            f"do you know where {a} {verb.did} the {asked} for {b} ?",
        ]
    )
    return {"question1": first, "question2": second, "label": label}
