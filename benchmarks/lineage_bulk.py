"""Millions of rows into lineage in minutes: no rule is given up, each is checked at the end.

Guards and keys are taken away, and made again when all rows are there: PostgreSQL then checks every
key, and SQLite is asked to. PostgreSQL's indexes are made at the end too, with the room that it
leaves in them. SQLite would leave none, so that each later row would split pages: there they grow
with the rows, as in use.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, text, update
from sqlalchemy.schema import CreateIndex

from benchmarks.lineage_campaigns import Team
from benchmarks.lineage_rows import COLUMNS, Book
from pipelines import guards
from pipelines.indexes import MODELS
from pipelines.registry_tables import registrations

CHUNK = 20_000  # runs whose rows are in memory
CACHE = 6_000_000  # KiB, of SQLite while it loads
Rows = dict[str, list[tuple[Any, ...]]]
Say = Callable[[str], None]


class Broken(Exception):
    """A row points to nothing."""


def is_empty(engine: Engine) -> bool:
    """Say whether a database has no runs yet."""
    with engine.connect() as connection:
        return connection.scalar(text("SELECT 1 FROM run LIMIT 1")) is None


def fill(engine: Engine, runs: int, edges: int, seed: int, say: Say) -> None:
    """Make `runs` runs and about `edges` edges in an empty database of the newest schema.

    Raises:
        Broken: what was made does not hold together.
    """
    with _loading(engine, say) as load:
        book = Book(seed)
        team = Team(book, _sources(edges / runs), runs)
        for done, _ in enumerate(team.runs(), start=1):
            if done % CHUNK == 0 or done == runs:
                load(book.taken())
                say(f"{done:,} of {runs:,} runs, {book.count['edge']:,} edges")
            if done == runs:
                break
        champions = book.crown()
        load(book.taken())
    with engine.begin() as connection:
        for sha, task in champions:
            mine = update(registrations).filter_by(prompt_sha=sha, task=task)
            connection.execute(mine.values(standing="champion"))


def _sources(edges: float) -> float:
    """Return how many source tasks a campaign has at the mean, for so many edges to a run.

    A round with K source tasks has 40 + 1.6 K runs, and 51 + 14.3 K edges.
    """
    return (40 * edges - 51) / (14.3 - 1.6 * edges)


@contextmanager
def _loading(engine: Engine, say: Say) -> Iterator[Callable[[Rows], None]]:
    with engine.begin() as connection:
        guards.drop(connection)
    driver = _Sqlite(engine) if engine.dialect.name == "sqlite" else _Postgresql(engine)
    yield driver.load
    driver.end(say)
    with engine.begin() as connection:
        guards.create(connection)


class _Sqlite:
    """SQLite, without a journal on disk; its keys are checked at the end."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.driver = engine, engine.raw_connection().driver_connection
        fast = ("foreign_keys=OFF", "journal_mode=MEMORY", "synchronous=OFF")
        for pragma in (*fast, f"cache_size=-{CACHE}"):
            self.execute(f"PRAGMA {pragma}")

    def execute(self, statement: str) -> Any:
        return self.driver.execute(statement)

    def load(self, rows: Rows) -> None:
        self.execute("BEGIN")
        for table, values in rows.items():
            names, marks = ", ".join(COLUMNS[table]), ", ".join("?" * len(COLUMNS[table]))
            self.driver.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", values)
        self.execute("COMMIT")

    def end(self, say: Say) -> None:
        say("keys")
        if broken := self.execute("PRAGMA foreign_key_check").fetchone():
            raise Broken(f"a row of {broken[0]!r} points to nothing")
        self.execute("PRAGMA journal_mode=WAL")
        self.engine.dispose()  # what this connection was told holds for no other


class _Postgresql:
    """PostgreSQL by COPY, without keys; they are made, and so checked, at the end."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.driver = engine, engine.raw_connection().driver_connection
        self.driver.autocommit = True
        self.indexes = [one for table in MODELS.sorted_tables for one in table.indexes]
        for index in self.indexes:
            self.execute(f"DROP INDEX {index.name}")
        self.execute("SET timezone = 'UTC'")
        self.execute("SET maintenance_work_mem = '512MB'")
        self.rules = self.execute(RULES).fetchall()
        for table, name, _ in reversed(self.rules):
            self.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")

    def execute(self, statement: str) -> Any:
        return self.driver.execute(statement)

    def load(self, rows: Rows) -> None:
        with self.driver.cursor() as cursor:
            for table, values in rows.items():
                into = f"COPY {table} ({', '.join(COLUMNS[table])}) FROM STDIN"
                with cursor.copy(into) as copy:
                    for row in values:
                        copy.write_row(row)

    def end(self, say: Say) -> None:
        for index in self.indexes:
            say(str(index.name))
            self.execute(str(CreateIndex(index).compile(dialect=self.engine.dialect)))
        say("keys")
        for table, name, rule in self.rules:
            self.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {rule}")
        self.engine.dispose()


RULES = """
SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE contype IN ('p', 'u', 'f') AND connamespace = 'public'::regnamespace
AND conrelid <> 'alembic_version'::regclass
ORDER BY contype = 'f', conname
"""
"""Table, name and definition of each key; those that point to another come last."""


def analyze(engine: Engine) -> float:
    """Let the database count its rows, for its plans; return how long that took, in seconds."""
    began = time.perf_counter()
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        vacuum = "" if engine.dialect.name == "sqlite" else "VACUUM "
        connection.execute(text(f"{vacuum}ANALYZE"))
    return time.perf_counter() - began
