"""Questions to a database by its driver alone.

Who only asks need not wait for SQLAlchemy: importing it takes longer than most answers do.
"""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote

HEAD = "0006"
"""The newest migration; here, so that asking whether a database is current needs no Alembic."""
SQLITE, POSTGRESQL = re.compile(r"sqlite:///([^?]+)"), re.compile(r"postgresql(\+psycopg)?://.*")
LOCKED = 30.0  # seconds that SQLite waits for a lock


class Rows(NamedTuple):
    """What was answered."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]

    def records(self) -> list[dict[str, Any]]:
        """Return each row by its columns."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


@dataclass(frozen=True)
class Reader:
    """One open transaction, in which questions see the same state."""

    connection: Any
    """Of a driver: sqlite3 or psycopg."""
    dialect: str
    """sqlite or postgresql."""

    def ask(self, sql: str, **binds: Any) -> Rows:
        """Run one statement, whose values are bound by name: `:task`."""
        cursor = self.connection.cursor()
        cursor.execute(sql if self.dialect == "sqlite" else _for_psycopg(sql), binds)
        columns = tuple(one[0] for one in cursor.description)
        return Rows(columns, [tuple(row) for row in cursor.fetchall()])


@cache
def _for_psycopg(sql: str) -> str:
    # Two colons are a cast, and one inside a word no value.
    return re.sub(r"(?<![:\w]):(\w+)", r"%(\1)s", sql.replace("%", "%%"))


class Asked(Protocol):
    """A database that questions can be put to."""

    @property
    def dialect(self) -> str:
        """sqlite or postgresql."""

    def asking(self) -> AbstractContextManager[Reader]:
        """Open one transaction that only reads; on SQLite it does not wait for writers."""


class Plain:
    """A database by its driver: opened anew for each transaction."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.dialect = "sqlite" if SQLITE.fullmatch(url) else "postgresql"

    @contextmanager
    def asking(self) -> Iterator[Reader]:
        """Open one transaction that only reads; on SQLite it does not wait for writers."""
        with closing(_open(self.url)) as connection:
            yield Reader(connection, self.dialect)


def plain(url: str) -> Plain | None:
    """Return the database at `url`, if it is there with the newest tables.

    None: who opens it with SQLAlchemy makes the tables, or is told what is wrong.
    """
    if not (SQLITE.fullmatch(url) or POSTGRESQL.fullmatch(url)):
        return None
    found = Plain(url)
    try:
        with found.asking() as reader:
            (version,) = reader.ask("SELECT version_num FROM alembic_version").rows[0]
    except Exception:  # noqa: BLE001  - of either driver: what it is will be told by the other way
        return None
    return found if version == HEAD else None


def _open(url: str) -> Any:
    if file := SQLITE.fullmatch(url):
        # rw: a file that is not there is not made.
        place = f"file:{quote(str(Path(file[1]).absolute()))}?mode=rw"
        opened = sqlite3.connect(place, uri=True, timeout=LOCKED, isolation_level=None)
        opened.execute("BEGIN")
        return opened
    import psycopg

    return psycopg.connect(url.replace("+psycopg", "", 1))
