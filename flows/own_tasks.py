"""`tasks` with its subcommands: a user's own task, proposed, generated and checked."""

import sys
from collections.abc import Mapping
from dataclasses import asdict
from errno import EEXIST
from os import strerror
from os.path import lexists
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter, validators

from flows import questions
from flows.options import Common, print_json

Shared = Annotated[Common | None, Parameter(name="*")]
Rows = Annotated[int, Parameter(validator=validators.Number(gte=1))]

app = App(name="tasks", help="List all tasks, or describe one.")
app.default(questions.tasks)


class BadTask(ValueError):
    """The rows of a user's task cannot be trained on as they are."""

    def __init__(self, file: Path, errors: int) -> None:
        super().__init__(f"{file}: {errors} error(s), told above: mend them, and check again")


class NotWritten(ValueError):
    """A file cannot be made, or is there already: it is not written over."""

    def __init__(self, file: Path, reason: OSError) -> None:
        super().__init__(
            f"{file} is not written ({reason.strerror}): give --to another name, or delete it"
        )


@app.command
def new(file: Path, /, *, to: Path, answer: str | None = None, common: Shared = None) -> None:
    """Propose a task for a file of rows, after a look at it.

    Parameters
    ----------
    file
        CSV, TSV, JSONL or Parquet.
    to
        The YAML file to write, in the folder of the rows or above it.
    answer
        The column that holds what the model should write; without it, a guess.
    """
    from tasks.own.definition import Definition
    from tasks.own.propose import propose

    common = common or Common()
    text = propose(file, to, answer)
    _write({to: text})
    if common.json:
        print_json(Definition.load(to).model_dump(mode="json", exclude_none=True))
    else:
        sys.stdout.write(f"{text}\nwritten to {to}; next: prompt-transfer tasks check {to}\n")


@app.command
def generate(
    name: str, /, *, to: Path, seed: int = 42, train: Rows = 2000, validation: Rows = 400,
    test: Rows = 500, common: Shared = None,
) -> None:  # fmt: skip
    """Write so many rows of a generated task, as a task of your own: mini_*, set_classification.

    The same arguments give the same bytes, on any machine.

    Parameters
    ----------
    name
        The task.
    to
        The YAML file to write; the rows are written beside it.
    seed
        Of the rows.
    train
        How many rows to train on.
    validation
        How many to choose by.
    test
        How many to test on; in mini_* they have words that the others have not.
    """
    from tasks.own.generate import generate as generated

    common = common or Common()
    texts = generated(name, seed, {"train": train, "validation": validation, "test": test}, to)
    _write(texts)
    if common.json:
        print_json([str(file) for file in texts])
    else:
        names = ", ".join(str(file) for file in texts)
        sys.stdout.write(f"written: {names}\nnext: prompt-transfer adapt {to}\n")


def _write(texts: Mapping[Path, str]) -> None:
    for file in texts:
        if lexists(file):  # or the rows of one seed would stand beside those of another
            raise NotWritten(file, FileExistsError(EEXIST, strerror(EEXIST)))
    for file, text in texts.items():
        try:
            with file.open("x", encoding="utf-8", newline="\n") as out:
                out.write(text)
        except OSError as error:
            raise NotWritten(file, error) from None


@app.command
def check(file: Path, /, *, backbone: str = "nano-t5", common: Shared = None) -> None:
    """Read all rows of a task of your own, and say what is wrong with them.

    Parameters
    ----------
    file
        The task's YAML file.
    backbone
        Whose tokens are counted.
    """
    from flows import tables
    from tasks.own.task import load

    common = common or Common()
    common.use()
    task = load(file)
    from mpt.loading import ruler
    from tasks.own.seen import Ruler
    from tasks.own.survey import survey

    found = survey(task, Ruler(backbone, *ruler(backbone)))
    if common.json:
        print_json(asdict(found))
    else:
        tables.show_survey(found, file)
    if found.errors:
        raise BadTask(file, found.errors)
