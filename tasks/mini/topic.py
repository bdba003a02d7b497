"""Topic: what is the text about?"""

from collections.abc import Sequence

from tasks.mini.lexicon import COLOURS, NAMES, PLACES, Words
from tasks.task import Row

TRADES = {
    "sea": "ship sail wave anchor island storm captain rope tide shore boat fish",
    "farm": "wheat plough barn cow field harvest hay sheep milk orchard fence seed",
    "music": "song piano violin choir tune concert drum opera melody flute voice chord",
    "law": "judge trial court prison crime jury witness lawyer guilt sentence thief verdict",
}
PURSUITS = {
    "war": "army sword battle general soldier cannon siege victory regiment enemy flag trench",
    "school": "lesson teacher pupil book desk grammar exam slate master essay class chalk",
    "health": "doctor fever nurse wound medicine cough pulse hospital illness cure pain surgeon",
    "travel": "train ticket hotel luggage road journey coach map guide inn passport station",
}


def _text(words: Words, topics: dict[str, str], frames: Sequence[str]) -> Row:
    """Three words of the topic, one of another, in a frame that says nothing."""
    label = words.below(len(topics))
    lists = [topic.split() for topic in topics.values()]
    distractor = words.choice([topic for at, topic in enumerate(lists) if at != label])
    slots = [*words.pick(lists[label], 3), words.one(distractor)]
    slots = words.sample(slots, 4)
    who, place, colour = words.one(NAMES), words.one(PLACES), words.one(COLOURS)
    frame = words.choice(frames)
    a, b, c, d = slots
    text = frame.format(who=who, place=place, colour=colour, a=a, b=b, c=c, d=d)
    return {"sentence": text, "label": label}


def trade(words: Words) -> Row:
    """One of four trades."""
    frames = (
        "{who} spoke of the {a} and the {b} , then of a {colour} {c} and some {d} .",
        "near the {place} {who} remembered a {a} , a {b} , the {c} and the {d} .",
        "the {a} reminded {who} of the {b} , while the {colour} {c} meant {d} .",
    )
    return _text(words, TRADES, frames)


def pursuit(words: Words) -> Row:
    """One of four pursuits, in other frames and of other words than `trade`."""
    frames = (
        "in a letter from the {place} , {who} asked for the {a} , the {b} and the {c} , "
        "not the {d} .",
        "{who} dreamed : first a {colour} {a} , next the {b} , at last a {c} by a {d} .",
        "what {who} wrote about the {a} and the {b} had less of {c} than of {d} .",
    )
    return _text(words, PURSUITS, frames)
