"""Sentiment: is the writer pleased? Negation turns a word round, and the last clause decides."""

from tasks.mini.lexicon import Words
from tasks.task import Row

GOOD = tuple(
    "good great fine lovely charming excellent pleasant delightful clever brilliant beautiful "
    "splendid wonderful touching funny graceful".split()
)
BAD = tuple(
    "bad poor dull awful boring dreadful silly terrible weak clumsy stupid tedious ugly "
    "miserable feeble tiresome".split()
)
PARTS = tuple(
    "story acting music ending plot hero dialogue opening costume scenery title dance humour "
    "chorus script".split()
)
DISHES = tuple(
    "soup bread fish pie cake wine cheese salad stew pudding coffee beef rice jam tea".split()
)
SERVICE = tuple("waiter table room window garden music fire price menu host".split())


def _says(words: Words, pleased: bool) -> str:
    """Return `good`, or `not bad`."""
    negated = words.coin(0.2)
    adjective = words.choice(GOOD if pleased != negated else BAD)
    return f"not {adjective}" if negated else words.choice(["", "very ", "so "]) + adjective


def review(words: Words) -> Row:
    """A play is reviewed; a clause before "but" says the opposite and does not count."""
    label = words.below(2)
    one, other = words.pick(PARTS, 2)
    first_agrees = not words.coin()
    first = _says(words, bool(label) == first_agrees)
    last = _says(words, bool(label))
    link = "and" if first_agrees else "but"
    text = f"last night the {one} was {first} {link} the {other} was {last}"
    return {"sentence": f"{text} .", "label": label}


def dining(words: Words) -> Row:
    """A guest speaks of a meal; what comes after "although" does not count."""
    label = words.below(2)
    dish, thing, who = words.one(DISHES), words.one(SERVICE), words.one(("I", "we", "they"))
    opinion = f"{who} thought the {dish} {_says(words, label > 0)}"
    if words.coin():
        text = f"{opinion} although the {thing} seemed {_says(words, not label)}"
    else:
        text = f"{opinion} , and the {thing} too seemed {_says(words, label > 0)}"
    return {"sentence": f"{text} .", "label": label}
