"""Questions to lineage as SQL: each is a file in `sql/`, and what is printed of it is what runs.

Every statement runs unchanged on SQLite 3.38 and PostgreSQL 15, or newer. Values are bound by name.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.reader import Asked, Reader

if TYPE_CHECKING:
    from pandas import DataFrame

FOLDER = Path(__file__).parent / "sql"

PLANNER = ("enable_seqscan", "enable_hashjoin", "enable_mergejoin", "jit")
"""What PostgreSQL must not do in a walk: it expects a thousand times what there is to be found.

Left alone, it reads all of `edge` for each generation.
"""
ONE_PLAN = ("plan_cache_mode", "force_generic_plan")
"""Of PostgreSQL: what is asked again is not planned again, which takes longer than to answer it."""
BROAD = ("matrix",)
"""Statements that read much of what there is: for them it plans well."""


@dataclass(frozen=True)
class Answer:
    """What a question was answered: a table."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    def records(self) -> list[dict[str, Any]]:
        """Return each row as an object."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]

    def frame(self) -> "DataFrame":
        """Return the table for pandas."""
        from pandas import DataFrame

        return DataFrame(list(self.rows), columns=list(self.columns))

    def extended(self, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> "Answer":
        """Return the same with more columns; `rows` holds their values."""
        both = zip(self.rows, rows, strict=True)
        return Answer((*self.columns, *columns), tuple((*one, *more) for one, more in both))


@dataclass(frozen=True)
class Question:
    """A question to one database: it can be asked, or its SQL be printed."""

    database: Asked
    name: str
    binds: Mapping[str, str | int]
    finish: Callable[[Answer], Answer] = lambda answer: answer
    """What SQL cannot do for it."""

    @property
    def sql(self) -> str:
        """The statement."""
        return statement(self.name)

    def answer(self) -> Answer:
        """Ask it."""
        with self.database.asking() as reader:
            found = ask(reader, self.name, self.binds)
        return self.finish(found)


def statement(name: str) -> str:
    """Return the SQL of a question, with the comment that explains it."""
    return (FOLDER / f"{name}.sql").read_text(encoding="utf-8")


def switched_off(dialect: str, name: str) -> tuple[str, ...]:
    """Return the settings of a database that are off while it answers a statement."""
    return PLANNER if dialect == "postgresql" and name not in BROAD else ()


def ask(reader: Reader, name: str, binds: Mapping[str, str | int]) -> Answer:
    """Run the statement `name`; columns that end in `_at` hold moments in UTC."""
    if off := switched_off(reader.dialect, name):
        wanted = [ONE_PLAN, *((one, "off") for one in off)]
        settings = (f"set_config('{one}', '{value}', true)" for one, value in wanted)
        reader.ask(f"SELECT {', '.join(settings)}")
    columns, found = reader.ask(statement(name), **binds)
    moments = [at for at, column in enumerate(columns) if column.endswith("_at")]
    return Answer(columns, tuple(_with_zones(row, moments) for row in found))


def _with_zones(row: tuple[Any, ...], moments: Sequence[int]) -> tuple[Any, ...]:
    values = list(row)
    for at in moments:
        values[at] = _utc(values[at])
    return tuple(values)


def _utc(value: datetime | str | None) -> datetime | None:
    # SQLite keeps a moment as text, without its zone.
    if isinstance(value, str):
        return datetime.fromisoformat(value).replace(tzinfo=UTC)
    return value and value.astimezone(UTC)
