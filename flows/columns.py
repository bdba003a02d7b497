"""Rows as columns of text. Not a table of rich: that folds and cuts what is there to be copied."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any


def aligned(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return rows of as many values each below their head, numbers to the right."""
    cells = [head, *([cell(value) for value in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    right = [_numeric(column) for column in zip(*rows, strict=True)] or [False] * len(head)
    return "".join(_line(line, widths, right) for line in cells)


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    placed = zip(cells, widths, right, strict=True)
    text = "  ".join(one.rjust(w) if r else one.ljust(w) for one, w, r in placed)
    return text.rstrip() + "\n"


def _numeric(column: Sequence[Any]) -> bool:
    return all(isinstance(value, int | float) for value in column if value is not None)


def cell(value: Any) -> str:
    """Return one value for people."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.2f}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    return shown(str(value))


def shown(said: str) -> str:
    """Return a text in which nothing can move the cursor."""
    if said.isprintable():
        return said
    from tasks.own.files import printable  # with all tasks, which takes longer than most answers

    return printable(said)
