"""Rows that have no answer yet: what they must have, and what the model reads of them."""

from tasks.own.reading import Reader
from tasks.rows import Template
from tasks.task import Row, Task


def columns(task: Task) -> tuple[str, ...]:
    """Return the columns that the model reads of a row: without answers, and what scores need."""
    if isinstance(task.read, Template | Reader):
        return tuple(dict.fromkeys(column for _, column in task.read.parts if column))
    return tuple(column for column in task.columns if column not in task.blank)


def ask(task: Task, row: Row) -> str:
    """Return what the model reads of `row`; an answer in it is not looked at.

    Raises:
        BadCell: a cell is not what its column should hold.
    """
    if isinstance(task.read, Template | Reader):
        return task.read.ask(row).input
    return task.read({**row, **task.blank}).input
