"""SuperGLUE in the text format of T5: the task's name, then its columns.

Raffel et al. 2020, appendix D; T5's t5/data/preprocessors.py (`glue`, `wsc`, `record`).
"""

import re

from tasks.metrics import accuracy, exact_match, f1, group_match, macro_f1, token_f1
from tasks.rows import BadCell, integer, label, nested, template, text, texts
from tasks.splits import CARVE, HALVE
from tasks.task import Example, Hub, Row, Task

PATH = "aps/super_glue"
REVISION = "3de24cf8022e94f4ee4b9d55a6f539891524d646"

TRUTH = ("False", "True")
CHOICES = ("choice1", "choice2")
ENTAILMENT = ("entailment", "not_entailment")
COMMITMENT = ("entailment", "contradiction", "neutral")  # not MNLI's order

PREMISE = "hypothesis: {hypothesis} premise: {premise}"
MULTIRC_INPUT = template(
    "multirc question: {question} answer: {answer} paragraph: {paragraph}", TRUTH
)


def read_multirc(row: Row) -> Example:
    """Return a candidate answer without its HTML, grouped with the others of its question."""
    raw = MULTIRC_INPUT(row)
    bare = re.sub("</?b>", "", raw.input.replace("<br>", " "))
    return Example(bare, raw.answers, _index(row, "question"))


def read_record(row: Row) -> Example:
    """Return a query with its entities and passage; every mention of the entity is right."""
    # The highlights are bullet points under the passage: make them sentences of it.
    passage = re.sub(r"([.?!\"'])\n@highlight\n", r"\1 ", text(row, "passage"))
    passage = passage.replace("\n@highlight\n", ". ")
    entities = ", ".join(texts(nested(row, "entities", list), "entities"))
    answers = texts(nested(row, "answers", list), "answers")
    return Example(
        f"record query: {text(row, 'query')} entities: {entities} passage: {passage}",
        answers or ("<unk>",),
        f"{_index(row, 'passage')}-{_index(row, 'query')}",
    )


def read_wsc(row: Row) -> Example:
    """Return the text with the noun as `* noun *` and the pronoun as `# pronoun #`."""
    sentence, noun, pronoun = (
        text(row, "text"),
        _word(row, "span1_index"),
        _word(row, "span2_index"),
    )
    marked = _mark(sentence, text(row, "span1_text"), noun, "*")
    if noun < pronoun and marked != sentence:
        pronoun += 2  # the two stars are words of their own now
    marked = _mark(marked, text(row, "span2_text"), pronoun, "#")
    return Example(f"wsc text: {marked}", (label(row, TRUTH),))


def _index(row: Row, part: str) -> str:
    index = integer(nested(row, "idx", dict).get(part))
    if index is None:
        raise BadCell("idx", row["idx"], f"an object with a whole number {part!r}")
    return str(index)


def _word(row: Row, column: str) -> int:
    index = integer(row[column])
    if index is None or index < 0:
        raise BadCell(column, row[column], "the number of a word, counted from 0")
    return index


def _mark(sentence: str, span: str, index: int, mark: str) -> str:
    # Original WSC spans may differ from the text in case, a full stop or a line's end; the hub's
    # `wsc.fixed` has them mended. As in T5, a span that is not at word `index` stays unmarked.
    if span not in sentence:
        span = span.rstrip(".").replace("\n", " ")
    return re.sub(
        rf"^((?:\S+\s){{{index}}})({re.escape(span)})",
        lambda found: f"{found[1]}{mark} {found[2]} {mark}",
        sentence,
        flags=re.IGNORECASE,
    )


BOOLQ = Task(
    name="boolq",
    benchmark="superglue",
    family="question answering",
    source=Hub(PATH, "boolq", REVISION),
    read=template("boolq passage: {passage} question: {question}", TRUTH),
    columns=("passage", "question", "label"),
    labels=TRUTH,
    metrics={"accuracy": accuracy},
    splits=HALVE,
    licence="CC BY-SA 3.0",
    citation="Clark et al. 2019, NAACL (N19-1300)",
)

CB = Task(
    name="cb",
    benchmark="superglue",
    family="entailment",
    source=Hub(PATH, "cb", REVISION),
    read=template(f"cb {PREMISE}", COMMITMENT),
    columns=("hypothesis", "premise", "label"),
    labels=COMMITMENT,
    metrics={"accuracy": accuracy, "macro_f1": macro_f1(COMMITMENT)},
    splits=HALVE,
    licence="none stated by the authors; see the dataset's card",
    citation="de Marneffe et al. 2019, Sinn und Bedeutung 23",
)

COPA = Task(
    name="copa",
    benchmark="superglue",
    family="causality",
    source=Hub(PATH, "copa", REVISION),
    read=template(
        "copa choice1: {choice1} choice2: {choice2} premise: {premise} question: {question}",
        CHOICES,
    ),
    columns=("choice1", "choice2", "premise", "question", "label"),
    labels=CHOICES,
    metrics={"accuracy": accuracy},
    splits=HALVE,
    licence="BSD 2-Clause",
    citation="Roemmele et al. 2011, AAAI Spring Symposium",
)

MULTIRC = Task(
    name="multirc",
    benchmark="superglue",
    family="question answering",
    source=Hub(PATH, "multirc", REVISION),
    read=read_multirc,
    columns=("question", "answer", "paragraph", "idx", "label"),
    labels=TRUTH,
    metrics={"f1": f1("True", "False"), "exact_match": group_match},
    splits=HALVE,
    max_input=348,
    blank={"idx": {"question": 0}, "label": 0},
    licence="Research and Academic Use License; non-commercial",
    citation="Khashabi et al. 2018, NAACL (N18-1023)",
)

RECORD = Task(
    name="record",
    benchmark="superglue",
    family="question answering",
    source=Hub(PATH, "record", REVISION),
    read=read_record,
    columns=("query", "entities", "passage", "answers", "idx"),
    labels=(),
    metrics={"f1": token_f1, "exact_match": exact_match},
    splits=CARVE,
    max_input=512,
    max_answer=128,
    every_answer=True,
    blank={"answers": [], "idx": {"passage": 0, "query": 0}},
    licence="see the dataset's card; news of CNN and the Daily Mail",
    citation="Zhang et al. 2018, arXiv:1810.12885",
)

SUPERGLUE_RTE = Task(
    name="superglue_rte",
    benchmark="superglue",
    family="entailment",
    source=Hub(PATH, "rte", REVISION),
    read=template(f"rte {PREMISE}", ENTAILMENT),
    columns=("hypothesis", "premise", "label"),
    labels=ENTAILMENT,
    metrics={"accuracy": accuracy},
    splits=HALVE,
    licence="none stated by the authors; see the dataset's card",
    citation="Dagan et al. 2006 and RTE-2, 3, 5, as in Wang et al. 2019, SuperGLUE",
)

WIC = Task(
    name="wic",
    benchmark="superglue",
    family="word sense",
    source=Hub(PATH, "wic", REVISION),
    read=template("wic sentence1: {sentence1} sentence2: {sentence2} word: {word}", TRUTH),
    columns=("sentence1", "sentence2", "word", "label"),
    labels=TRUTH,
    metrics={"accuracy": accuracy},
    splits=HALVE,
    licence="CC BY-NC 4.0",
    citation="Pilehvar and Camacho-Collados 2019, NAACL (N19-1128)",
)

WSC = Task(
    name="wsc",
    benchmark="superglue",
    family="coreference",
    source=Hub(PATH, "wsc.fixed", REVISION),
    read=read_wsc,
    columns=("text", "span1_text", "span1_index", "span2_text", "span2_index", "label"),
    labels=TRUTH,
    metrics={"accuracy": accuracy},
    splits=HALVE,
    blank={"label": 0},
    licence="CC BY 4.0",
    citation="Levesque et al. 2012, KR",
)

ALL = [BOOLQ, CB, COPA, MULTIRC, RECORD, SUPERGLUE_RTE, WIC, WSC]
