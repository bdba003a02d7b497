"""The mini suite: fourteen small tasks in seven families, generated from a seed.

Each family has a source task and a target task. The nano backbones have seen source tasks with
their answers, though never under these templates alone (`benchmarks/pretraining_rows.py`); they
have seen no row of a target task, and nothing at all of the family `sense`. The test split uses
words that training rows never do.
"""

from functools import partial
from typing import Literal

from tasks.metrics import accuracy
from tasks.mini import acceptability, entailment, paraphrase, passage, sense, sentiment, topic
from tasks.mini.generate import Maker, splits
from tasks.rows import template
from tasks.splits import OWN
from tasks.task import Generated, Row, Task

SEED = 42


def _rows(make: Maker, split: str, seed: int) -> list[Row]:
    return splits(make, seed)[split]


def _task(
    family: str,
    role: Literal["source", "target"],
    make: Maker,
    columns: tuple[str, ...],
    labels: tuple[str, ...],
) -> Task:
    form = " ".join(f"{column}: {{{column}}}" for column in columns)
    return Task(
        name=f"mini_{make.__name__}",
        benchmark="mini",
        family=family,
        source=Generated(partial(_rows, make), SEED),
        read=template(form, labels),
        columns=(*columns, "label"),
        labels=labels,
        metrics={"accuracy": accuracy},
        splits=OWN,
        max_input=128,
        role=role,
    )


SENTENCE = ("sentence",)
PAIR = ("sentence1", "sentence2")
NLI = ("premise", "hypothesis")
QA = ("passage", "question")
WIC = ("word", "sentence1", "sentence2")

ALL = [
    _task("sentiment", "source", sentiment.review, SENTENCE, ("negative", "positive")),
    _task("sentiment", "target", sentiment.dining, SENTENCE, ("negative", "positive")),
    _task("entailment", "source", entailment.deed, NLI, ("entailment", "neutral", "contradiction")),
    _task("entailment", "target", entailment.count, NLI, ("entailment", "not_entailment")),
    _task("paraphrase", "source", paraphrase.meeting, PAIR, ("not_equivalent", "equivalent")),
    _task(
        "paraphrase", "target", paraphrase.question, ("question1", "question2"),
        ("not_duplicate", "duplicate"),
    ),
    _task(
        "acceptability", "source", acceptability.agreement, SENTENCE, ("unacceptable", "acceptable")
    ),
    _task("acceptability", "target", acceptability.order, SENTENCE, ("unacceptable", "acceptable")),
    _task("passage", "source", passage.whereabouts, QA, ("no", "yes")),
    _task("passage", "target", passage.owner, QA, ("no", "yes")),
    _task("topic", "source", topic.trade, SENTENCE, ("sea", "farm", "music", "law")),
    _task("topic", "target", topic.pursuit, SENTENCE, ("war", "school", "health", "travel")),
    _task("sense", "source", sense.in_context, WIC, ("False", "True")),
    _task("sense", "target", sense.told, WIC, ("False", "True")),
]  # fmt: skip
MAKERS: dict[str, Maker] = {
    f"mini_{make.__name__}": make
    for make in (
        sentiment.review, entailment.deed, paraphrase.meeting, acceptability.agreement,
        passage.whereabouts, topic.trade, sense.in_context,
    )
}  # fmt: skip
"""Of the source tasks, to make more training rows than a split has."""
