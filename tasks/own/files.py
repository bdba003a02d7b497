"""Rows of a user's files, one after another: a file of any length is never in memory whole."""

import csv
import gzip
import json
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from tasks.rows import BadRow
from tasks.task import Files, Row

Record = tuple[int, Row | str]
"""A row's number, and the row, or why it is none. Rows are counted from 1; a header is no row."""

CSV, TABS, JSONL, PARQUET = ".csv", ".tsv", (".jsonl", ".jsonl.gz"), ".parquet"
ENDINGS = (CSV, TABS, *JSONL, PARQUET)
SHOWN = 12  # column names in a message


class BadFile(ValueError):
    """A file of a user's task cannot be read, or not to its end."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(printable(f"{name}: {problem}"))


def printable(said: str) -> str:
    """Return a message in which nothing can move the cursor or be lost on the way."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in said)


def rows(source: Files, split: str, columns: Sequence[str]) -> Iterator[tuple[int, Row]]:
    """Yield the rows of a split with their numbers.

    Raises:
        BadFile: the file cannot be read.
        BadRow: a row is not whole.
    """
    for number, row in records(source, split, columns):
        if isinstance(row, str):
            raise BadRow(source.names[split], number, row)
        yield number, row


def records(source: Files, split: str, columns: Sequence[str] = ()) -> Iterator[Record]:
    """Yield the rows of a split, also those that cannot be read, of which it says why.

    Raises:
        BadFile: it is not there, damaged, not of its format, or lacks one of `columns`.
    """
    name = source.names[split]
    path = source.folder / name
    try:
        if is_csv(name):
            yield from _csv(path, name, source.encoding, source.delimiter, columns)
        elif name.endswith(JSONL):
            yield from _jsonl(path)
        else:
            yield from _parquet(path, name)
    except OSError as error:  # gzip's BadGzipFile is one too
        reason = error.strerror or error
        raise BadFile(name, f"it cannot be read from {str(path.parent)!r} ({reason})") from None
    except (UnicodeError, EOFError, zlib.error, ValueError) as error:
        if isinstance(error, BadFile):
            raise
        raise BadFile(name, f"it is damaged, or not what its name says ({error})") from None


def is_csv(name: str) -> bool:
    """Say whether encoding and delimiter mean something for a file."""
    return name.endswith((CSV, TABS))


def _csv(
    path: Path, name: str, encoding: str, delimiter: str, columns: Sequence[str]
) -> Iterator[Record]:
    codec = "utf-8-sig" if encoding == "utf-8" else encoding
    # What is not of the encoding comes through as lone surrogates: so its row can be told.
    with path.open(encoding=codec, errors="surrogateescape", newline="") as lines:
        cells = csv.reader(lines, delimiter=delimiter, strict=True)
        try:
            header = [cell.strip() for cell in next(cells, [])]
            _check_header(name, header, columns, delimiter)
            yield from enumerate((_row(header, row, encoding) for row in cells if row), 1)
        except csv.Error as error:
            hint = "is a quote left open, or one inside a cell not doubled?"
            raise BadFile(name, f"line {cells.line_num} is not CSV ({error}): {hint}") from None


def _check_header(name: str, header: Sequence[str], columns: Sequence[str], by: str) -> None:
    has = ", ".join(repr(one)[:40] for one in header[:SHOWN]) or "no header"
    if twice := [name for name, count in Counter(header).items() if name and count > 1]:
        raise BadFile(name, f"several columns are called {twice[0]!r}: rename all but one")
    for column in columns:
        if column not in header:
            doubt = f"is {by!r} the delimiter?" if len(header) < 2 else "write one of these"
            raise BadFile(name, f"it has no column {column!r} (it has {has}): {doubt}")


def _row(header: Sequence[str], cells: Sequence[str], encoding: str) -> Row | str:
    if len(cells) != len(header):
        return f"it has {len(cells)} cells, and the header has {len(header)}"
    if not all(map(is_text, cells)):
        return f"it holds bytes that are not {encoding}: say in `encoding` what the file is in"
    return dict(zip(header, cells, strict=True))


def is_text(value: str) -> bool:
    """Say whether a text has no half characters, which no tokenizer and no file could take."""
    return value.isascii() or not any("\ud800" <= one <= "\udfff" for one in value)


def _jsonl(path: Path) -> Iterator[Record]:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8-sig", errors="surrogateescape") as lines:
        yield from ((at, _object(line)) for at, line in enumerate(lines, 1) if line.strip())


def _object(line: str) -> Row | str:
    if not is_text(line):
        return "it holds bytes that are not utf-8: write the file as UTF-8"
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        return f"it is not JSON ({error})"
    return row if isinstance(row, dict) else "it is not a JSON object of columns and values"


def _parquet(path: Path, name: str) -> Iterator[Record]:
    import pyarrow
    from pyarrow import parquet

    try:
        number = 0
        for batch in parquet.ParquetFile(path).iter_batches(batch_size=1000):
            for row in batch.to_pylist():
                number += 1
                yield number, row
    except pyarrow.ArrowException as error:
        raise BadFile(name, f"it is not Parquet ({error})") from None
