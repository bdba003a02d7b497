"""Entailment: does the second sentence follow from the first?"""

from tasks.mini.lexicon import (
    ANIMALS,
    CARRY,
    COLOURS,
    NAMES,
    NUMBERS,
    PEOPLE,
    PLACES,
    THINGS,
    Words,
)
from tasks.task import Row

ENTAILMENT, NEUTRAL, CONTRADICTION = range(3)


def deed(words: Words) -> Row:
    """Somebody did something somewhere: said again with less, with more, or denied."""
    label = words.below(3)
    who, other = words.pick(NAMES, 2)
    verb, thing = words.one(CARRY), words.one(THINGS)
    (colour, second), (place, elsewhere) = words.pick(COLOURS, 2), words.pick(PLACES, 2)
    premise = f"{who} {verb.did} the {colour} {thing} in the {place} ."
    said = {
        ENTAILMENT: (
            f"{who} {verb.did} the {thing} .",
            f"the {thing} was {verb.done} by {who} .",
            f"in the {place} {who} {verb.did} a {colour} {thing} .",
            f"the {thing} was {colour} .",
        ),
        NEUTRAL: (
            f"{other} {verb.did} the {thing} .",
            f"{who} {verb.did} the {thing} with {other} .",
            f"the {thing} was {verb.done} by {other} .",
            f"{other} was in the {place} .",
        ),
        CONTRADICTION: (
            f"{who} never {verb.did} the {thing} .",
            f"the {thing} was {second} .",
            f"in the {elsewhere} {who} {verb.did} the {thing} .",
            f"nobody {verb.did} the {thing} .",
        ),
    }
    return {"premise": premise, "hypothesis": words.choice(said[label]), "label": label}


PLURAL = {"sheep": "sheep", "fox": "foxes", "wolf": "wolves", "baker": "bakers"}


def count(words: Words) -> Row:
    """Two groups are counted; the second sentence counts one of them, rightly or not."""
    label = words.below(2)  # 0 follows, 1 does not
    kinds = words.pick(ANIMALS if words.coin() else PEOPLE, 2)
    herds = [PLURAL.get(kind, f"{kind}s") for kind in kinds]
    numbers = words.pick(NUMBERS, 2)
    places = words.pick(PLACES, 2)
    facts = [
        f"{number} {herd} were in the {place}"
        for number, herd, place in zip(numbers, herds, places, strict=True)
    ]
    asked = words.below(2)
    # A wrong count takes its number or its place from the other group: every word was read.
    wrong = 1 - asked if label else asked
    if words.coin():
        hypothesis = f"there were {numbers[wrong]} {herds[asked]} ."
    else:
        hypothesis = f"there were {herds[asked]} in the {places[wrong]} ."
    return {"premise": f"{facts[0]} and {facts[1]} .", "hypothesis": hypothesis, "label": label}
