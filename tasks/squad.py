"""SQuAD 1.1 in the text format of T5 (t5/data/preprocessors.py, `squad`)."""

import re
import unicodedata

from tasks.metrics import exact_match, token_f1
from tasks.rows import BadCell, nested, text, texts
from tasks.splits import CARVE
from tasks.task import Example, Hub, Row, Task


def pad_punctuation(raw: str) -> str:
    """Put a blank on both sides of each punctuation mark or symbol, then single blanks.

    T5's `_pad_punctuation` as ATTEMPT and MPT run it: letters, their accents, digits and the
    underscore stay joined, where T5's own `\\W` tears "François" apart. Outer blanks are dropped.
    """
    padded = re.sub(r"[^\w\s]", _padded, raw)
    return re.sub(r"\s+", " ", padded).strip()


def _padded(found: re.Match[str]) -> str:
    accent = unicodedata.category(found[0]).startswith("M")
    return found[0] if accent else f" {found[0]} "


def read_squad(row: Row) -> Example:
    """Return a question with its context; the first answer is the one to train on."""
    found = texts(nested(row, "answers", dict).get("text"), "answers")
    if not found:
        raise BadCell("answers", row["answers"], "an object with at least one answer in 'text'")
    question, context = (
        pad_punctuation(text(row, "question")),
        pad_punctuation(text(row, "context")),
    )
    answers = dict.fromkeys(pad_punctuation(answer) for answer in found)
    return Example(f"question: {question} context: {context}", tuple(answers))


SQUAD = Task(
    name="squad",
    benchmark="squad",
    family="question answering",
    source=Hub("rajpurkar/squad", "plain_text", "7b6d24c440a36b6815f21b70d25016731768db1f"),
    read=read_squad,
    columns=("question", "context", "answers"),
    labels=(),
    metrics={"f1": token_f1, "exact_match": exact_match},
    splits=CARVE,
    max_input=512,
    max_answer=128,
    blank={"answers": {"text": ["-"]}},
    licence="CC BY-SA 4.0",
    citation="Rajpurkar et al. 2016, EMNLP (D16-1264)",
)

ALL = [SQUAD]
