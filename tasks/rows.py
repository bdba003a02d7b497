"""One row: how its cells are read, and what is said of it when it cannot be read."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from string import Formatter
from typing import Any

from tasks.task import Example, Row


class BadRow(ValueError):
    """A row cannot become an example; the sentence says which row of what, and why."""

    def __init__(self, where: str, number: int, reason: str) -> None:
        super().__init__(f"{where}, row {number}: {reason}")


class BadCell(ValueError):
    """A cell is not what its column should hold. Whoever knows the row's place says `BadRow`."""

    def __init__(self, column: str, value: object, wanted: str) -> None:
        shown = "missing" if value is None or value == "" else repr(value)[:60]
        super().__init__(f"column {column!r} is {shown}; it should be {wanted}")


def text(row: Row, column: str) -> str:
    """Return a cell that must be text."""
    value = row[column]
    if not isinstance(value, str):
        raise BadCell(column, value, "text")
    return value


def label(row: Row, labels: Sequence[str], column: str = "label") -> str:
    """Return the word of a label that the row gives as a number, counted from 0."""
    index = integer(row[column])
    if index is None or not 0 <= index < len(labels):
        # Hidden test labels are -1: as a Python index that would be the last word.
        words = ", ".join(f"{at} {word}" for at, word in enumerate(labels))
        raise BadCell(column, row[column], f"a whole number from 0 to {len(labels) - 1} ({words})")
    return labels[index]


def integer(value: object) -> int | None:
    """Return a whole number, also one written as text, as in CSV; None if it is not one."""
    if isinstance(value, str):
        bare = value.strip()
        return int(bare) if bare.removeprefix("-").isdecimal() else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def number(row: Row, column: str, low: float, high: float) -> float:
    """Return a number from `low` to `high`, also one written as text."""
    wanted = f"a number from {low:g} to {high:g}"
    value = row[column]
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise BadCell(column, value, wanted)
    try:
        found = float(value)
    except ValueError:
        raise BadCell(column, value, wanted) from None
    if math.isnan(found) or not low <= found <= high:
        raise BadCell(column, value, wanted)
    return found


def nested(row: Row, column: str, kind: type) -> Any:
    """Return a cell that is an object (`dict`) or a list; a CSV cell holds it as JSON."""
    value = row[column]
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except json.JSONDecodeError:
            raise BadCell(column, value, f"a {kind.__name__}, in CSV as JSON") from None
    if not isinstance(value, kind):
        raise BadCell(column, value, f"a {kind.__name__}")
    return value


def texts(values: object, column: str) -> tuple[str, ...]:
    """Return a list of texts, each once, in order."""
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise BadCell(column, values, "a list of texts")
    return tuple(dict.fromkeys(values))


Parts = Sequence[tuple[str, str | None]]
"""A template, cut up: what it says, and the column that comes next, or none."""


def fill(parts: Parts, row: Row, read: Callable[[Row, str], str] = text) -> Example:
    """Return an example without answers: what the template says, with the row's texts in it."""
    written, fields = "", []
    for format_, column in parts:
        written += format_
        if column:
            start, written = len(written), written + read(row, column)
            fields.append((start, len(written)))
    return Example(written, (), fields=tuple(fields))


@dataclass(frozen=True, eq=False)
class Template:
    """Reads a row: `form` with the row's texts is the input, `answer` of the row the answer."""

    form: str
    answer: Callable[[Row], str]

    @cached_property
    def parts(self) -> Parts:
        """What `form` says, cut up at its columns."""
        return [(said, column) for said, column, _, _ in Formatter().parse(self.form)]

    def ask(self, row: Row) -> Example:
        """Return the row as an example without answers."""
        return fill(self.parts, row)

    def __call__(self, row: Row) -> Example:
        """Return the row as an example."""
        return self.ask(row)._replace(answers=(self.answer(row),))


def template(form: str, labels: Sequence[str]) -> Template:
    """Return a reader whose answer is the word of a row's label."""
    return Template(form, lambda row: label(row, labels))
