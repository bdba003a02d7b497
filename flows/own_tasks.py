"""`tasks` with its subcommands: a user's own task, proposed for a file, and checked."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from flows import questions
from flows.options import Common, print_json

Shared = Annotated[Common | None, Parameter(name="*")]

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
    try:
        with to.open("x", encoding="utf-8") as out:
            out.write(text)
    except OSError as error:
        raise NotWritten(to, error) from None
    if common.json:
        print_json(Definition.load(to).model_dump(mode="json", exclude_none=True))
    else:
        sys.stdout.write(f"{text}\nwritten to {to}; next: prompt-transfer tasks check {to}\n")


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
