"""A user's template: text with columns in braces, and nothing that could be run.

`{column}` stands for what the row has there, whatever characters the column's name is made of; a
brace of the text is written twice. Nothing is looked up but the row's own keys, so `{a.b}` is the
column "a.b" and no attribute.
"""

import re

from tasks.rows import Parts

_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


def parse(template: str) -> Parts:
    """Return what a template says, cut up at its columns.

    Raises:
        ValueError: a brace is left open, is empty, or no column is named.
    """
    parts: list[tuple[str, str | None]] = []
    said, at = "", 0
    for piece in _PIECE.finditer(template):
        said, at = said + template[at : piece.start()], piece.end()
        if piece[0] in ("{{", "}}"):
            said += piece[0][0]
        elif not piece[1] or not piece[1].strip():
            raise ValueError("a brace stands alone: write {column}, or {{ for a brace in the text")
        else:
            parts.append((said, piece[1].strip()))
            said = ""
    if not parts:
        raise ValueError("it names no column: write {column} where the row's text belongs")
    return [*parts, (said + template[at:], None)]


def columns(parts: Parts) -> tuple[str, ...]:
    """Return the columns of a template, each once."""
    return tuple(dict.fromkeys(column for _, column in parts if column))


def escaped(text: str) -> str:
    """Return `text` as a template has to write it."""
    return text.replace("{", "{{").replace("}", "}}")
