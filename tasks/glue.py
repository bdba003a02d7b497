"""GLUE in the text format of T5: the task's name, then its columns in alphabetical order.

Raffel et al. 2020, appendix D; T5's t5/data/preprocessors.py (`glue`, `stsb`).
"""

from dataclasses import replace

from tasks.metrics import accuracy, f1, matthews, pearson, spearman
from tasks.rows import number, template, text
from tasks.splits import CARVE, HALVE, Splits
from tasks.task import Example, Hub, Row, Task

PATH = "nyu-mll/glue"
REVISION = "bcdcba79d07bc864c1c254ccfcedcce55bcc9a8c"

TWO_SENTENCES = "sentence1: {sentence1} sentence2: {sentence2}"
ENTAILMENT = ("entailment", "not_entailment")
PARAPHRASE = ("not_equivalent", "equivalent")
DUPLICATE = ("not_duplicate", "duplicate")
ACCEPTABLE = ("unacceptable", "acceptable")
SENTIMENT = ("negative", "positive")
THREE_WAY = ("entailment", "neutral", "contradiction")


def read_similarity(row: Row) -> Example:
    """Return STS-B's pair, and its score rounded to the nearest of 0.0, 0.2, ..., 5.0."""
    rounded = round(5 * number(row, "label", 0, 5)) / 5
    pair = TWO_SENTENCES.format(sentence1=text(row, "sentence1"), sentence2=text(row, "sentence2"))
    return Example(f"stsb {pair}", (f"{rounded:.1f}",))


COLA = Task(
    name="cola",
    benchmark="glue",
    family="acceptability",
    source=Hub(PATH, "cola", REVISION),
    read=template("cola sentence: {sentence}", ACCEPTABLE),
    columns=("sentence", "label"),
    labels=ACCEPTABLE,
    metrics={"mcc": matthews(ACCEPTABLE)},
    splits=HALVE,
    licence="excerpts of published works; research under US fair use",
    citation="Warstadt et al. 2019, arXiv:1805.12471",
)

SST2 = Task(
    name="sst2",
    benchmark="glue",
    family="sentiment",
    source=Hub(PATH, "sst2", REVISION),
    read=template("sst2 sentence: {sentence}", SENTIMENT),
    columns=("sentence", "label"),
    labels=SENTIMENT,
    metrics={"accuracy": accuracy},
    splits=CARVE,
    licence="none stated by the authors; see the dataset's card",
    citation="Socher et al. 2013, EMNLP (D13-1170)",
)

MRPC = Task(
    name="mrpc",
    benchmark="glue",
    family="paraphrase",
    source=Hub(PATH, "mrpc", REVISION),
    read=template(f"mrpc {TWO_SENTENCES}", PARAPHRASE),
    columns=("sentence1", "sentence2", "label"),
    labels=PARAPHRASE,
    metrics={"accuracy": accuracy, "f1": f1("equivalent", "not_equivalent")},
    splits=HALVE,
    licence="Microsoft Research licence terms; research",
    citation="Dolan and Brockett 2005, IWP (I05-5002)",
)

STSB = Task(
    name="stsb",
    benchmark="glue",
    family="similarity",
    source=Hub(PATH, "stsb", REVISION),
    read=read_similarity,
    columns=("sentence1", "sentence2", "label"),
    labels=(),
    metrics={"pearson": pearson, "spearman": spearman},
    splits=HALVE,
    blank={"label": 0},
    licence="scores CC BY-SA 4.0; each text has its source's terms",
    citation="Cer et al. 2017, SemEval (S17-2001)",
)

QQP = Task(
    name="qqp",
    benchmark="glue",
    family="paraphrase",
    source=Hub(PATH, "qqp", REVISION),
    read=template("qqp question1: {question1} question2: {question2}", DUPLICATE),
    columns=("question1", "question2", "label"),
    labels=DUPLICATE,
    metrics={"accuracy": accuracy, "f1": f1("duplicate", "not_duplicate")},
    splits=CARVE,
    licence="Quora's terms of service; non-commercial",
    citation="Iyer et al. 2017, Quora Question Pairs",
)

MNLI = Task(
    name="mnli",
    benchmark="glue",
    family="entailment",
    source=Hub(PATH, "mnli", REVISION),
    read=template("mnli hypothesis: {hypothesis} premise: {premise}", THREE_WAY),
    columns=("hypothesis", "premise", "label"),
    labels=THREE_WAY,
    metrics={"accuracy": accuracy},
    splits=Splits(validation="validation_mismatched", test="validation_matched"),
    licence="OANC; the fiction CC BY 3.0 and CC BY-SA 3.0",
    citation="Williams et al. 2018, NAACL (N18-1101)",
)

QNLI = Task(
    name="qnli",
    benchmark="glue",
    family="entailment",
    source=Hub(PATH, "qnli", REVISION),
    read=template("qnli question: {question} sentence: {sentence}", ENTAILMENT),
    columns=("question", "sentence", "label"),
    labels=ENTAILMENT,
    metrics={"accuracy": accuracy},
    splits=CARVE,
    licence="CC BY-SA 4.0",
    citation="Rajpurkar et al. 2016 (D16-1264), as in Wang et al. 2018, GLUE",
)

RTE = Task(
    name="rte",
    benchmark="glue",
    family="entailment",
    source=Hub(PATH, "rte", REVISION),
    read=template(f"rte {TWO_SENTENCES}", ENTAILMENT),
    columns=("sentence1", "sentence2", "label"),
    labels=ENTAILMENT,
    metrics={"accuracy": accuracy},
    splits=HALVE,
    licence="none stated by the authors; see the dataset's card",
    citation="Dagan et al. 2006 and RTE-2, 3, 5, as in Wang et al. 2018, GLUE",
)

WNLI = Task(
    name="wnli",
    benchmark="glue",
    family="coreference",
    source=Hub(PATH, "wnli", REVISION),
    read=template(f"wnli {TWO_SENTENCES}", ENTAILMENT[::-1]),  # 0 is "not_entailment" here
    columns=("sentence1", "sentence2", "label"),
    labels=ENTAILMENT[::-1],
    metrics={"accuracy": accuracy},
    splits=HALVE,
    licence="CC BY 4.0",
    citation="Levesque et al. 2012, KR",
)

MNLI_MM = replace(
    MNLI,
    name="mnli_mm",
    splits=Splits(validation="validation_matched", test="validation_mismatched"),
    folder="mnli",
)

ALL = [COLA, SST2, MRPC, STSB, QQP, MNLI, MNLI_MM, QNLI, RTE, WNLI]
