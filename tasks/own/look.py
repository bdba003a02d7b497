"""Looking at a file of rows: its encoding, its delimiter, and what its columns hold."""

import codecs
import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from math import inf, isfinite
from pathlib import Path

from tasks.own import files
from tasks.own.files import BadFile
from tasks.task import Files, Row

CHUNK = 2**16
MARKS = "€‚„…‰‹›‘’“”•–—¡£§«»°´·¿\xa0"  # beside letters, in Western text
DELIMITERS = ",;\t|"
FEW = 1_000  # different values of a column that are kept
SEEN = 200  # records that a delimiter is told by
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass
class Column:
    """What one column holds, over all rows."""

    name: str
    values: Counter[str] = field(default_factory=Counter)
    """How often each value stands there; no longer kept once there are too many."""
    many: bool = False
    rows: int = 0
    words: int = 0
    numeric: bool = True
    low: float = inf
    high: float = -inf
    whole: bool = True
    listed: bool = False
    """Some cell is a list of several values."""

    def add(self, value: object) -> None:
        """Count one cell."""
        if isinstance(value, list):
            self.listed = self.listed or len(value) > 1
            for one in value:
                self.add(one)
            return
        said = "" if value is None else str(value).strip()
        if not said:
            return
        self.rows, self.words = self.rows + 1, self.words + len(said.split())
        self._number(said)
        if not self.many:
            self.values[said] += 1
            self.many = len(self.values) > FEW
            if self.many:
                self.values.clear()

    def _number(self, said: str) -> None:
        try:
            value = float(said)
        except ValueError:
            value = inf
        if not isfinite(value):
            self.numeric = False
            return
        self.low, self.high = min(self.low, value), max(self.high, value)
        self.whole = self.whole and value.is_integer()


def look(path: Path) -> tuple[Files, list[Column]]:
    """Return how a file is to be read, and its columns.

    Raises:
        BadFile: it cannot be read, or its header names two columns alike.
    """
    source = source_of(path)
    return source, _columns(source)


def source_of(path: Path) -> Files:
    """Return how a file is to be read, as the split `train`: its encoding and its delimiter.

    Raises:
        BadFile: it cannot be read, or is of no known format.
    """
    if not path.name.endswith(files.ENDINGS):
        raise BadFile(path.name, f"its name must end in {', '.join(files.ENDINGS)}")
    source = Files(path.parent, {"train": path.name})
    try:
        if files.is_csv(path.name):
            encoding = encoding_of(path)
            source = Files(path.parent, source.names, encoding, delimiter_of(path, encoding))
    except (OSError, ValueError) as error:
        if isinstance(error, BadFile):
            raise
        reason = getattr(error, "strerror", None) or error
        raise BadFile(path.name, f"it cannot be read ({reason})") from None
    return source


def _columns(source: Files) -> list[Column]:
    found: dict[str, Column] = {}
    for row in rows(source):
        for name, value in row.items():
            if name:  # pandas leaves the header of its index empty
                found.setdefault(name, Column(name)).add(value)
    if not found:
        raise BadFile(source.names["train"], "it has no rows below a header")
    return list(found.values())


def rows(source: Files) -> Iterator[Row]:
    """Yield the rows that can be read."""
    return (row for _, row in files.records(source, "train") if not isinstance(row, str))


def encoding_of(path: Path) -> str:
    """Return the encoding of a text: UTF-8 if it can be read so, else the likeliest.

    Raises:
        BadFile: none is likely.
    """
    with path.open("rb") as file:
        first = file.read(CHUNK)
        if first.startswith(UTF16):
            return "utf-16"
        odd = first if b"\0" in first else _not_utf8(path)
    return _likeliest(path, first, odd) if odd else "utf-8"


def _not_utf8(path: Path) -> bytes:
    """Return a piece of a file that is not UTF-8, or nothing."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as file:
        for piece in iter(lambda: file.read(CHUNK), b""):
            try:
                decoder.decode(piece)
            except UnicodeDecodeError:
                return piece
    return b""


def _likeliest(path: Path, first: bytes, odd: bytes) -> str:
    from charset_normalizer import from_bytes

    piece = first if first == odd else first + odd
    if _is_western(piece):
        return "cp1252"
    best = from_bytes(piece).best()
    if best is None or best.encoding == "utf_8":
        raise BadFile(path.name, "its encoding cannot be told: write it as UTF-8")
    return codecs.lookup(best.encoding).name


def _is_western(piece: bytes) -> bool:
    """Say whether a piece reads as Windows writes it in the West: some letters have accents.

    charset-normalizer needs more of them than a short file has, and finds Chinese in "Köln".
    """
    text = piece.decode("cp1252", "replace")
    strange = [one for one in text if one > "~"]
    known = all(one.isalpha() or one in MARKS for one in strange)
    return b"\0" not in piece and known and 4 * len(strange) < len(text)


def delimiter_of(path: Path, encoding: str) -> str:
    """Return what stands between cells: what gives most rows as many cells as the header has.

    csv.Sniffer takes any frequent character of running text for one.
    """
    codec = "utf-8-sig" if encoding == "utf-8" else encoding

    def fit(delimiter: str) -> tuple[bool, float, int]:
        with path.open(encoding=codec, errors="surrogateescape", newline="") as lines:
            try:
                widths = [len(one) for one in islice(csv.reader(lines, delimiter=delimiter), SEEN)]
            except csv.Error:
                return False, 0.0, 0
        filled = [width for width in widths if width] or [0]
        return filled[0] > 1, sum(one == filled[0] for one in filled) / len(filled), filled[0]

    return max(DELIMITERS, key=fit)  # the first of equals
