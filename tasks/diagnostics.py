"""The diagnostic sets of GLUE and SuperGLUE: tests without training rows.

A prompt of another task answers them, so their rows read as that task's do: as in T5, which casts
AX as MNLI, and AX-b and AX-g as RTE.
"""

from tasks import glue, superglue
from tasks.metrics import accuracy, matthews, parity
from tasks.rows import BadCell, integer, template
from tasks.splits import TEST_ONLY
from tasks.task import Example, Hub, Row, Task

LABELS = glue.ENTAILMENT
READ_MNLI = template("mnli hypothesis: {hypothesis} premise: {premise}", glue.THREE_WAY)
READ_RTE = template(f"rte {superglue.PREMISE}", LABELS)


def read_ax(row: Row) -> Example:
    """Return a pair as MNLI reads it; the hub's copy hides every label."""
    if row["label"] in (-1, "-1"):
        wanted = "known: the hub hides AX's labels, so score a labelled DIR/ax/test.jsonl instead"
        raise BadCell("label", row["label"], wanted)
    return READ_MNLI(row)


def read_ax_g(row: Row) -> Example:
    """Return a pair, grouped with the one that differs in the gender of a pronoun.

    The authors' file has the two one after the other: rows 2n and 2n + 1.
    """
    index = integer(row["idx"])
    if index is None:
        raise BadCell("idx", row["idx"], "the number of the row in the authors' file")
    return READ_RTE(row)._replace(group=str(index // 2))


AX = Task(
    name="ax",
    benchmark="glue",
    family="entailment",
    source=Hub(glue.PATH, "ax", glue.REVISION),
    read=read_ax,
    columns=("hypothesis", "premise", "label"),
    labels=glue.THREE_WAY,
    metrics={"mcc": matthews(glue.THREE_WAY)},
    splits=TEST_ONLY,
    trained_on=("mnli",),
    blank={"label": 0},
    licence="see the dataset's card",
    citation="Wang et al. 2018, GLUE (W18-5446)",
)

AX_B = Task(
    name="ax_b",
    benchmark="superglue",
    family="entailment",
    source=Hub(superglue.PATH, "axb", superglue.REVISION),
    read=template(f"rte {glue.TWO_SENTENCES}", LABELS),
    columns=("sentence1", "sentence2", "label"),
    labels=LABELS,
    metrics={"mcc": matthews(LABELS)},
    splits=TEST_ONLY,
    trained_on=("superglue_rte", "rte"),
    licence="see the dataset's card",
    citation="Wang et al. 2019, SuperGLUE, arXiv:1905.00537",
)

AX_G = Task(
    name="ax_g",
    benchmark="superglue",
    family="entailment",
    source=Hub(superglue.PATH, "axg", superglue.REVISION),
    read=read_ax_g,
    columns=("hypothesis", "premise", "idx", "label"),
    labels=LABELS,
    metrics={"accuracy": accuracy, "parity": parity},
    splits=TEST_ONLY,
    trained_on=("superglue_rte", "rte"),
    blank={"idx": 0, "label": 0},
    licence="see the dataset's card",
    citation="Rudinger et al. 2018, NAACL (N18-2002); Poliak et al. 2018, EMNLP (D18-1007)",
)

ALL = [AX, AX_B, AX_G]
