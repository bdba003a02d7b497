"""Small questions about a source task's text: what a reader must see before it can judge.

A label is one token for a whole row. Asked who did it, where, and how many, the backbone learns to
read much sooner than from labels alone.
"""

import re
from collections.abc import Callable
from random import Random

from tasks.mini.lexicon import MEET
from tasks.mini.sentiment import GOOD
from tasks.task import Row

Question = tuple[str, str]
"""An instruction, and its answer."""

DEED = re.compile(r"(\w+) (\w+) the (\w+) (\w+) in the (\w+) \.")
OPINION = re.compile(r"the (\w+) was (not )?(?:very |so )?(\w+)")
WALK = re.compile(r"(\w+) (?:went|walked|ran) to the (\w+) \.")
AGREEMENT = re.compile(r"the (\w+) \w+ the \w+ (\w+) the \w+ \.")
ONE_WHO_DOES = {verb.she for verb in MEET}


def review(row: Row, rng: Random) -> Question:
    """Ask what is said of one part of a play."""
    part, negated, adjective = rng.choice(OPINION.findall(row["sentence"]))
    good = (adjective in GOOD) != bool(negated)
    if rng.random() < 0.3:
        return "Is this word good or bad? " + adjective, "good" if adjective in GOOD else "bad"
    return f"Was the {part} good or bad?", "good" if good else "bad"


def deed(row: Row, rng: Random) -> Question:
    """Ask who, what, where or of which colour."""
    found = DEED.fullmatch(row["premise"])
    assert found, row["premise"]
    who, did, colour, thing, place = found.groups()
    return rng.choice(
        [
            ("Who did it?", who),
            (f"What was the {thing} like?", colour),
            (f"What was {did}?", thing),
            ("Where was it?", place),
        ]
    )


def meeting(row: Row, rng: Random) -> Question:
    """Ask who did it, or to whom, in one of the two sentences."""
    if rng.random() < 0.3:
        doers = [roles(row[column])[0] for column in ("sentence1", "sentence2")]
        verdict = "same" if row["label"] else "different"
        return "Who did it in each? Same or different?", f"{doers[0]} {doers[1]} {verdict}"
    which = rng.choice(["first", "second"])
    doer, done_to = roles(row["sentence1" if which == "first" else "sentence2"])
    if rng.random() < 0.5:
        return f"In the {which} sentence, who did it?", doer
    return f"In the {which} sentence, to whom was it done?", done_to


def roles(sentence: str) -> tuple[str, str]:
    """Return doer and done-to of an active, passive or cleft sentence."""
    if found := re.search(r"the (\w+) was \w+ by the (\w+)", sentence):
        return found[2], found[1]
    found = re.search(r"the (\w+) (?:who )?\w+ the (\w+)", sentence.partition("it was ")[2]) or (
        re.search(r"(?:^|in the \w+ )the (\w+) \w+ the (\w+)", sentence)
    )
    assert found, sentence
    return found[1], found[2]


def agreement(row: Row, rng: Random) -> Question:
    """Ask for the subject, its number, or the number of the verb."""
    found = AGREEMENT.fullmatch(row["sentence"])
    assert found, row["sentence"]
    subject, verb = found.groups()
    number = "many" if subject.endswith("s") else "one"
    fits = "one" if verb in ONE_WHO_DOES else "many"
    verdict = "right" if number == fits else "wrong"
    return rng.choice(
        [
            ("What is the subject?", subject),
            ("Is the subject one or many?", number),
            ("Is the verb for one or many?", fits),
            ("Subject and verb: one or many? Right or wrong?", f"{number} {fits} {verdict}"),
        ]
    )


def whereabouts(row: Row, rng: Random) -> Question:
    """Ask where somebody ended, or began."""
    walks = WALK.findall(row["passage"])
    who = rng.choice([name for name, _ in walks])
    places = [place for name, place in walks if name == who]
    kind = rng.random()
    if kind < 0.4:
        asked, place = re.findall(r"is (\w+) in the (\w+) \?", row["question"])[0]
        last = [where for name, where in walks if name == asked][-1]
        return "Where is that one? And is it so?", f"{last} {'yes' if last == place else 'no'}"
    if kind < 0.8:
        return f"Where is {who} at the end?", places[-1]
    return f"Where did {who} go first?", places[0]


QUESTIONS: dict[str, Callable[[Row, Random], Question]] = {
    "mini_review": review,
    "mini_deed": deed,
    "mini_meeting": meeting,
    "mini_agreement": agreement,
    "mini_whereabouts": whereabouts,
}
