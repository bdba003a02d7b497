"""A user's row as an example: the template with the row's texts, and its answer."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches

from tasks.own import template
from tasks.own.definition import SEVERAL, Definition
from tasks.own.files import is_text
from tasks.own.values import Numbers
from tasks.rows import BadCell, Parts, fill, number
from tasks.task import Example, Row

SHOWN = 8  # labels in a message
Answers = Callable[[Row], tuple[str, ...]]


@dataclass(frozen=True, eq=False)
class Reader:
    """Reads the rows of a task; raises BadCell for a cell that is not what it should be."""

    parts: Parts
    answers: Answers

    def ask(self, row: Row) -> Example:
        """Return the row as an example without answers."""
        found = fill(self.parts, row, cell)
        if not any(end > start for start, end in found.fields):
            raise BadCell(template.columns(self.parts)[0], "", "text to read")
        return found

    def __call__(self, row: Row) -> Example:
        """Return the row as an example."""
        return self.ask(row)._replace(answers=self.answers(row))


def reader(definition: Definition) -> Reader:
    """Return what reads the rows of a task."""
    return Reader(template.parse(definition.template), _answers(definition))


def cell(row: Row, column: str) -> str:
    """Return a cell as the text that a CSV file would have there, without outer blanks."""
    value = row[column]
    if value is None:
        return ""
    if isinstance(value, bool):
        return json.dumps(value)
    if not isinstance(value, str | int | float) or not is_text(str(value)):
        raise BadCell(column, value, "one text or one number")
    return str(value).strip()


def _answers(definition: Definition) -> Answers:
    column = definition.answer
    if definition.numbers:
        return _rounded(column, definition.numbers)
    if definition.labels:
        return lambda row: (_word(row, column, definition.labels),)
    if definition.choices:
        return lambda row: (_chosen(row, column, definition.choices),)
    return lambda row: _free(row, column)


def _word(row: Row, column: str, labels: Mapping[str, str]) -> str:
    if isinstance(row[column], list | tuple | set | dict):
        raise BadCell(column, row[column], f"one label: {MULTI}")
    said = cell(row, column)
    if said in labels:
        return labels[said]
    parts = [part.strip() for part in SEVERAL.split(said)]
    if len(parts) > 1 and all(part in labels for part in parts):
        raise BadCell(column, said, f"one label: {MULTI}")
    near = get_close_matches(said, labels, n=1) if said else []
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise BadCell(column, said, f"one of {listed(list(labels))}{hint}")


MULTI = "several labels a row are not supported, make a yes/no task of each"


def listed(values: Sequence[str]) -> str:
    """Return the first of some values, for a message."""
    more = f" and {len(values) - SHOWN} more" if len(values) > SHOWN else ""
    return ", ".join(repr(one)[:40] for one in values[:SHOWN]) + more


def _chosen(row: Row, column: str, choices: Mapping[str, str]) -> str:
    said = cell(row, column)
    found = [word for word, choice in choices.items() if cell(row, choice) == said]
    if len(found) != 1:
        raise BadCell(column, said, f"the text of one of {listed(list(choices.values()))}")
    return found[0]


def _rounded(column: str, numbers: Numbers) -> Answers:
    low, step = Decimal(str(numbers.low)), Decimal(str(numbers.step))
    digits = max(0, *(-int(one.normalize().as_tuple().exponent) for one in (low, step)))

    def read(row: Row) -> tuple[str, ...]:
        value = number(row, column, numbers.low, numbers.high)
        nearest = low + round((Decimal(str(value)) - low) / step) * step
        return (f"{nearest + 0:.{digits}f}",)

    return read


def _free(row: Row, column: str) -> tuple[str, ...]:
    value = row[column]
    if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
        found = [cell({column: one}, column) for one in value]
    else:
        found = [cell(row, column)]
    if not all(found):
        raise BadCell(column, "", "an answer, or in JSON a list of right answers")
    return tuple(dict.fromkeys(found))
