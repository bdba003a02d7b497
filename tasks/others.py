"""The targets that the MPT tables call "Others": WinoGrande, Yelp-2, SciTail and PAWS-Wiki.

T5 has no format for them: the task's name, then its columns, with label words as in T5's tasks.
"""

from tasks.glue import SENTIMENT, TWO_SENTENCES
from tasks.metrics import accuracy
from tasks.rows import BadCell, Template, integer, template, text
from tasks.splits import CARVE, HALVE, OWN, Splits
from tasks.task import Hub, Row, Task

OPTIONS = ("option1", "option2")
SCITAIL_LABELS = ("entailment", "neutral")
PAWS_LABELS = ("not_equivalent", "equivalent")
YELP_ROWS = 100_000  # of 560,000, as in the papers


def winogrande_answer(row: Row) -> str:
    """Return the option that fills the blank; the hub calls them "1" and "2"."""
    answer = integer(row["answer"])
    if answer not in (1, 2):
        raise BadCell("answer", row["answer"], "1 or 2, the option that fills the blank")
    return OPTIONS[answer - 1]


def scitail_answer(row: Row) -> str:
    """Return the label, which the hub gives as a word."""
    if row["gold_label"] not in SCITAIL_LABELS:
        raise BadCell("gold_label", row["gold_label"], " or ".join(SCITAIL_LABELS))
    return text(row, "gold_label")


WINOGRANDE = Task(
    name="winogrande",
    benchmark="others",
    family="coreference",
    source=Hub("allenai/winogrande", "winogrande_xl", "01e74176c63542e6b0bcb004dcdea22d94fb67b5"),
    read=Template(
        "winogrande sentence: {sentence} option1: {option1} option2: {option2}", winogrande_answer
    ),
    columns=("sentence", "option1", "option2", "answer"),
    labels=OPTIONS,
    metrics={"accuracy": accuracy},
    splits=CARVE,
    licence="CC BY",
    citation="Sakaguchi et al. 2020, AAAI, arXiv:1907.10641",
)

YELP = Task(
    name="yelp",
    benchmark="others",
    family="sentiment",
    source=Hub("fancyzhx/yelp_polarity", "plain_text", "bbf1c97a1f0cf005e5aded43839fd814654a1557"),
    read=template("yelp sentence: {text}", SENTIMENT),
    columns=("text", "label"),
    labels=SENTIMENT,
    metrics={"accuracy": accuracy},
    splits=Splits(test="test", train_rows=YELP_ROWS),
    licence="Yelp's terms of use for its dataset",
    citation="Zhang, Zhao and LeCun 2015, NeurIPS, arXiv:1509.01626",
)

SCITAIL = Task(
    name="scitail",
    benchmark="others",
    family="entailment",
    source=Hub("allenai/scitail", "snli_format", None),
    read=Template("scitail hypothesis: {sentence2} premise: {sentence1}", scitail_answer),
    columns=("sentence1", "sentence2", "gold_label"),
    labels=SCITAIL_LABELS,
    metrics={"accuracy": accuracy},
    splits=HALVE,
    licence="Apache 2.0",
    citation="Khot, Sabharwal and Clark 2018, AAAI",
)

PAWS = Task(
    name="paws",
    benchmark="others",
    family="paraphrase",
    source=Hub(
        "google-research-datasets/paws",
        "labeled_final",
        "161ece9501cf0a11f3e48bd356eaa82de46d6a09",
    ),
    read=template(f"paws {TWO_SENTENCES}", PAWS_LABELS),
    columns=("sentence1", "sentence2", "label"),
    labels=PAWS_LABELS,
    metrics={"accuracy": accuracy},
    splits=OWN,
    licence="free for any purpose; the authors ask to be named",
    citation="Zhang, Baldridge and He 2019, NAACL (N19-1131)",
)

ALL = [WINOGRANDE, YELP, SCITAIL, PAWS]
