"""The four sets of MRQA 2019 on which MPT is tested, in SQuAD's format: Fisch et al. 2019.

The rows are those of `lucadiliello/*` on the hub, which DePT (Shi and Lipani 2024) reads too.
"""

from tasks.metrics import exact_match, token_f1
from tasks.rows import BadCell, nested, text, texts
from tasks.splits import CARVE
from tasks.squad import pad_punctuation
from tasks.task import Example, Hub, Row, Task


def read_mrqa(row: Row) -> Example:
    """Return a question with its context; the first answer is the one to train on."""
    found = texts(nested(row, "answers", list), "answers")
    if not found:
        raise BadCell("answers", row["answers"], "a list of at least one answer")
    question, context = (
        pad_punctuation(text(row, "question")),
        pad_punctuation(text(row, "context")),
    )
    answers = tuple(dict.fromkeys(pad_punctuation(answer) for answer in found))
    return Example(f"question: {question} context: {context}", answers)


def _task(name: str, path: str, revision: str | None, licence: str, citation: str) -> Task:
    return Task(
        name=name,
        benchmark="mrqa",
        family="question answering",
        source=Hub(path, None, revision),
        read=read_mrqa,
        columns=("question", "context", "answers"),
        labels=(),
        metrics={"f1": token_f1, "exact_match": exact_match},
        splits=CARVE,
        max_input=512,
        max_answer=128,
        blank={"answers": ["-"]},
        licence=licence,
        citation=f"{citation}, as in Fisch et al. 2019, MRQA (D19-5801)",
    )


NATURAL_QUESTIONS = _task(
    "naturalquestions",
    "lucadiliello/naturalquestionsshortqa",
    "49435450b0abb287be45639fdaa49a9b56512f9b",
    "CC BY-SA 3.0",
    "Kwiatkowski et al. 2019, TACL (Q19-1026)",
)

HOTPOTQA = _task(
    "hotpotqa",
    "lucadiliello/hotpotqa",
    None,
    "CC BY-SA 4.0",
    "Yang et al. 2018, EMNLP (D18-1259)",
)

SEARCHQA = _task(
    "searchqa",
    "lucadiliello/searchqa",
    "c1a979068ba118d85467179b704031d113d689cc",
    "see the dataset's card; the contexts are snippets of a search engine",
    "Dunn et al. 2017, arXiv:1704.05179",
)

NEWSQA = _task(
    "newsqa",
    "lucadiliello/newsqa",
    None,
    "see the dataset's card; the contexts are news of CNN",
    "Trischler et al. 2017, RepL4NLP (W17-2623)",
)

ALL = [NATURAL_QUESTIONS, HOTPOTQA, SEARCHQA, NEWSQA]
