"""Text from data: E2E and WebNLG, the two sets on which MPT is tested as a writer.

Which form the MPT paper gave to their inputs is not known: ours is the task's name, then the data.
The hub has these sets as scripts, which `datasets` 4 does not run, and beside them as Parquet files
that the hub made itself, in the branch `refs/convert/parquet`. A branch moves: the commit that was
read is recorded.
"""

from tasks.generation import bleu, chrf, rouge_l
from tasks.rows import BadCell, Template, nested, text, texts
from tasks.splits import OWN
from tasks.task import Example, Hub, Row, Task

PARQUET = "refs/convert/parquet"
METRICS = {"bleu": bleu, "rouge_l": rouge_l, "chrf": chrf}


def _files(subset: str) -> dict[str, str]:
    return {split: f"{subset}/{split}/*.parquet" for split in ("train", "validation", "test")}


MEANING = Template(
    "e2e meaning: {meaning_representation}", lambda row: text(row, "human_reference")
)


def read_e2e(row: Row) -> Example:
    """Return a meaning representation; rows that share one are scored together."""
    return MEANING(row)._replace(group=text(row, "meaning_representation"))


def read_webnlg(row: Row) -> Example:
    """Return triples and every text that says them; a training row has one text."""
    triples = texts(nested(row, "input", list), "input")
    if not triples:
        raise BadCell("input", row["input"], "a list of at least one triple")
    said = texts([text(row, "target"), *nested(row, "references", list)], "references")
    return Example(f"webnlg triples: {' && '.join(triples)}", said)


E2E = Task(
    name="e2e",
    benchmark="nlg",
    family="generation",
    source=Hub("tuetschek/e2e_nlg", None, PARQUET, _files("default")),
    read=read_e2e,
    columns=("meaning_representation", "human_reference"),
    labels=(),
    metrics=METRICS,
    splits=OWN,
    max_answer=128,
    blank={"human_reference": "-"},
    licence="CC BY-SA 4.0",
    citation="Novikova, Dušek and Rieser 2017, SIGDIAL (W17-5525)",
)

WEBNLG = Task(
    name="webnlg",
    benchmark="nlg",
    family="generation",
    source=Hub("GEM/web_nlg", None, PARQUET, _files("en")),
    read=read_webnlg,
    columns=("input", "target", "references"),
    labels=(),
    metrics=METRICS,
    splits=OWN,
    max_answer=128,
    blank={"target": "-", "references": []},
    licence="CC BY-NC 4.0",
    citation="Gardent et al. 2017, ACL (P17-1017); Castro Ferreira et al. 2020, WebNLG+",
)

ALL = [E2E, WEBNLG]
