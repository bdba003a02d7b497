"""Acceptability: is the sentence good English?"""

from tasks.mini.lexicon import CARRY, COLOURS, MEET, MEN, PEOPLE, PLACES, THINGS, WOMEN, Words
from tasks.task import Row


def agreement(words: Words) -> Row:
    """A verb must agree with its subject, whatever noun stands between them."""
    label = words.below(2)
    (head, between, other), verb = words.pick(PEOPLE, 3), words.one(MEET)
    plural = words.coin()
    subject = f"{head}s" if plural else head
    near = f"{between}s" if words.coin() else between
    link = words.choice(["near", "behind", "with", "beside"])
    ending = verb.they if plural == bool(label) else verb.she
    return {"sentence": f"the {subject} {link} the {near} {ending} the {other} .", "label": label}


def order(words: Words) -> Row:
    """Words must stand in order, and "herself" must be a woman's."""
    label = words.below(2)
    woman, man = words.one(WOMEN), words.one(MEN)
    verb, thing, colour, place = (
        words.one(CARRY), words.one(THINGS), words.one(COLOURS), words.one(PLACES)
    )  # fmt: skip
    if words.coin():
        is_woman = words.coin()
        right = "herself" if is_woman else "himself"
        wrong = "himself" if is_woman else "herself"
        text = f"{woman if is_woman else man} {verb.did} the {thing} {right if label else wrong} ."
        return {"sentence": f"once in the {place} {text}", "label": label}
    parts = [woman, verb.did, "the", colour, thing, "in", "the", place]
    if not label:
        at = words.choice([1, 2, 3, 5, 6])
        parts[at], parts[at + 1] = parts[at + 1], parts[at]
    return {"sentence": "once " + " ".join(parts) + " .", "label": label}
