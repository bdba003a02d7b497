"""Rows from files: DIR/<task>/<split>.(jsonl|jsonl.gz|csv|parquet), `<split>_full` second."""

import csv
import gzip
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tasks.rows import BadRow
from tasks.task import Row

Numbered = tuple[int, Row]
"""A row and its number, counted from 1: a line of JSONL, a record of CSV or Parquet."""


class MissingData(LookupError):
    """A folder lacks rows that a task cannot do without."""

    def __init__(self, task: str, split: str, folder: Path) -> None:
        files = "|".join(FORMATS)
        super().__init__(
            f"no {split} rows of {task!r}: looked for {folder / task / split}.({files}), "
            f"then {split}_full.({files}); put one of them there, or name another --data DIR"
        )


class SeveralFiles(ValueError):
    """A split is there in several formats, which need not agree."""

    def __init__(self, found: Sequence[Path]) -> None:
        names = ", ".join(path.name for path in found)
        super().__init__(f"{found[0].parent} has one split several times ({names}): keep one")


class BadFile(ValueError):
    """A file is not of the format that its name says."""

    def __init__(self, path: Path, reason: object) -> None:
        super().__init__(f"{path} cannot be read as {_format(path)}: {reason}")


def find(folder: Path, task: str, split: str) -> Path | None:
    """Return the file of a split, or None.

    Raises:
        SeveralFiles: there is more than one, in different formats.
    """
    for stem in (split, f"{split}_full"):
        paths = [folder / task / f"{stem}.{ending}" for ending in FORMATS]
        found = [path for path in paths if path.is_file()]
        if len(found) > 1:
            raise SeveralFiles(found)
        if found:
            return found[0]
    return None


def read(path: Path) -> Iterator[Numbered]:
    """Yield the rows of a file with their numbers.

    Raises:
        BadRow: a line is not a JSON object, or a CSV record has too many or too few cells.
        BadFile: the file is damaged, not UTF-8, or of another format.
    """
    try:
        yield from FORMATS[_format(path)](path)
    except (UnicodeDecodeError, EOFError, zlib.error, gzip.BadGzipFile, csv.Error) as error:
        raise BadFile(path, error) from error


def _format(path: Path) -> str:
    return path.name.split(".", 1)[1]


def _jsonl(path: Path) -> Iterator[Numbered]:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield number, _object(path, number, line)


def _object(path: Path, number: int, line: str) -> Row:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise BadRow(str(path), number, f"not JSON ({error})") from None
    if not isinstance(row, dict):
        raise BadRow(str(path), number, "not a JSON object of columns and values")
    return row


def _csv(path: Path) -> Iterator[Numbered]:
    with path.open(encoding="utf-8-sig", newline="") as lines:
        records = csv.DictReader(lines, strict=True)
        width = len(records.fieldnames or ())
        for number, row in enumerate(records, 1):
            if None in row or None in row.values():  # how DictReader says more, or fewer
                raise BadRow(str(path), number, f"not {width} cells, as in the first line")
            yield number, row


def _parquet(path: Path) -> Iterator[Numbered]:
    import pyarrow
    from pyarrow import parquet

    number = 0
    try:
        for batch in parquet.ParquetFile(path).iter_batches():
            for row in batch.to_pylist():
                number += 1
                yield number, row
    except pyarrow.ArrowException as error:
        raise BadFile(path, error) from error


FORMATS: dict[str, Callable[[Path], Iterator[Numbered]]] = {
    "jsonl": _jsonl,
    "jsonl.gz": _jsonl,
    "csv": _csv,
    "parquet": _parquet,
}
