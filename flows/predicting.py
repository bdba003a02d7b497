"""A file of rows, and what a prompt of lineage answers to them."""

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from errno import EEXIST
from os import strerror
from os.path import lexists
from pathlib import Path
from time import monotonic

from rich.console import Console
from rich.status import Status

from flows.named import candidates_of
from flows.own_tasks import NotWritten
from flows.settings import open_services
from mpt import files
from pipelines.serving.parts import open_parts
from pipelines.serving.predictor import Answer, Predictor
from pipelines.serving.row_reader import BadRows, Question, RowReader
from pipelines.serving.served import served, together
from tasks import Row
from tasks.own.files import rows as numbered
from tasks.own.look import source_of

PATIENCE = 2.0  # seconds until it is said how far it is
REPEAT = 10.0  # seconds between two lines, where stderr is no terminal


@dataclass(frozen=True)
class Answered:
    """Rows, and the answer to each."""

    rows: Sequence[Row]
    answers: Sequence[Answer]


def answer_file(named: str, file: Path) -> Answered:
    """Return the rows of `file`, answered by the prompt that is `named`.

    Raises:
        NotNamed, UnknownId: no prompt is named so.
        BadFile, BadRow: the file cannot be read.
        BadRows: a row cannot be answered; then none is.
    """
    with open_services() as svc:
        (found,) = candidates_of([named], svc.lineage)
        prompt = served(found, svc.store)
        card = together([prompt])
        parts = open_parts(card, {prompt.card.sha256: prompt.prompt})
        rows = list(numbered(source_of(file), "train", ()))
        reader = RowReader(parts, card.rows_name_prompts() and len(parts) > 1)
        try:
            questions = reader.read(rows)
        except BadRows as error:
            raise BadRows(f"{file}: {error}") from None
        predictor = Predictor(
            card, parts, svc.backbone(card.backbone, card.precision), svc.batch_size
        )
        return Answered([row for _, row in rows], _answers(predictor, questions))


def _answers(predictor: Predictor, questions: Sequence[Question]) -> list[Answer]:
    answers: list[Answer] = []
    with _watched(len(questions)) as tell:
        for some in predictor.answer(questions):
            answers += some
            tell(len(answers))
    return answers


@contextmanager
def _watched(total: int) -> Iterator[Callable[[int], None]]:
    """Say on stderr how many of `total` rows are answered, where that takes a while."""
    console = Console(stderr=True)
    begun = told = monotonic()
    with ExitStack() as shown:
        status: Status | None = None

        def tell(done: int) -> None:
            nonlocal status, told
            said, now = f"{done:,} of {total:,} rows", monotonic()
            if now - begun < PATIENCE:
                return
            if console.is_terminal:
                status = status or shown.enter_context(console.status(said))
                status.update(said)
            elif now - told > REPEAT:
                console.print(said, highlight=False)
                told = now

        yield tell


def as_json(answered: Answered) -> str:
    """Return a list of row, label and probabilities."""
    found = [
        {"row": dict(row), **answer._asdict()}
        for row, answer in zip(answered.rows, answered.answers, strict=True)
    ]
    return json.dumps(found, indent=2, default=str) + "\n"


def as_csv(answered: Answered) -> str:
    """Return the rows' columns, `predicted_label`, and `probability_LABEL` of every label."""
    rows = [
        {**row, "predicted_label": label}
        | {f"probability_{name}": share for name, share in (shares or {}).items()}
        for row, (label, shares) in zip(answered.rows, answered.answers, strict=True)
    ]
    columns = dict.fromkeys(name for row in rows for name in row)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def _cell(value: object) -> object:
    return json.dumps(value, default=str) if isinstance(value, list | dict) else value


def check_new(file: Path) -> None:
    """Refuse a file that is there: it is not written over.

    Raises:
        NotWritten: it is.
    """
    if lexists(file):
        raise NotWritten(file, FileExistsError(EEXIST, strerror(EEXIST)))


def write(file: Path, text: str) -> None:
    """Write a new file, whole or not at all.

    Raises:
        NotWritten: it cannot be written.
    """
    try:
        files.write(file, text.encode())
    except OSError as error:
        raise NotWritten(file, error) from None
