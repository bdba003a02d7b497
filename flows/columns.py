"""Rows as columns of text. Not a table of rich: that folds and cuts what is there to be copied."""

from collections.abc import Sequence


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of as many cells each, one below the other."""
    from tasks.own.files import printable

    widths = [max(map(len, column)) + 2 for column in zip(*rows, strict=True)]
    lines = (
        "".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
    return "".join(f"{printable(line)}\n" for line in lines)
