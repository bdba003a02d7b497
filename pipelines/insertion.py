"""Rows into tables, past SQLAlchemy's compiler.

A run is some twenty insertions, and SQLAlchemy takes longer over each than the database does: it
derives a key for the statement, looks its text up, and asks each type how to bind. Here text and
types of a table are looked up once; what is checked, and how values are stored, stays the same.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import Any, NamedTuple

from sqlalchemy import Column, Connection, Dialect, Table
from sqlalchemy.sql.schema import CallableColumnDefault, ScalarElementColumnDefault

Bind = Callable[[Any], Any] | None
"""What turns a value into what the driver stores; None where it stores it as it is."""


class Statement(NamedTuple):
    """A statement as the driver takes it."""

    sql: str
    given: tuple[tuple[str, Bind], ...]
    """The columns whose values come with a row."""
    defaults: tuple[tuple[Callable[[], Any], Bind], ...]
    """What gives the values of the columns that have a default of ours."""

    def values(self, row: Mapping[str, Any]) -> list[Any]:
        """Return the values of a row, in the order of the statement."""
        mine = [row[name] if bind is None else bind(row[name]) for name, bind in self.given]
        return mine + [make() if bind is None else bind(make()) for make, bind in self.defaults]


def add(
    connection: Connection, table: Table, rows: Iterable[Mapping[str, Any]], clause: str = ""
) -> None:
    """Insert rows of the same columns; those that are left out get their defaults.

    Args:
        connection: the database.
        table: where the rows go.
        rows: values by column.
        clause: what follows the values: `ON CONFLICT ...`.
    """
    every = list(rows)
    if every:
        statement = _insertion(table, tuple(every[0]), len(every), clause, connection.dialect)
        values = [value for row in every for value in statement.values(row)]
        connection.connection.cursor().execute(statement.sql, values)


@contextmanager
def together(connection: Connection) -> Iterator[None]:
    """Send PostgreSQL all insertions of the block before its first answer is waited for."""
    if connection.dialect.name != "postgresql":
        yield
        return
    driver: Any = connection.connection.driver_connection
    with driver.pipeline():
        yield


def add_once(connection: Connection, table: Table, rows: Iterable[Mapping[str, Any]]) -> None:
    """Insert rows of the same columns, except those whose primary key is there already."""
    key = [one.name for one in table.primary_key]
    # In order: else two transactions with the same rows may wait for each other.
    in_order = sorted(rows, key=lambda row: [row[name] for name in key])
    add(connection, table, in_order, f"ON CONFLICT ({', '.join(key)}) DO NOTHING")


def amend(connection: Connection, table: Table, key: str, values: Mapping[str, Any]) -> None:
    """Give the row that has this primary key new values."""
    (column,) = table.primary_key
    statement = _update(table, (*values, column.name), connection.dialect)
    bound = statement.values({**values, column.name: key})
    connection.connection.cursor().execute(statement.sql, bound)


@lru_cache(maxsize=256)
def _insertion(
    table: Table, given: tuple[str, ...], rows: int, clause: str, dialect: Dialect
) -> Statement:
    left = [one for one in table.c if one.default is not None and one.name not in given]
    names = [*given, *(one.name for one in left)]
    row = f"({', '.join([_mark(dialect)] * len(names))})"
    return Statement(
        f"INSERT INTO {table.name} ({', '.join(names)}) VALUES {', '.join([row] * rows)} {clause}",
        _binds(table, given, dialect),
        tuple((_default(one), _bind(one, dialect)) for one in left),
    )


@lru_cache(maxsize=16)
def _update(table: Table, given: tuple[str, ...], dialect: Dialect) -> Statement:
    *changed, key = (f"{name} = {_mark(dialect)}" for name in given)
    sql = f"UPDATE {table.name} SET {', '.join(changed)} WHERE {key}"
    return Statement(sql, _binds(table, given, dialect), ())


def _mark(dialect: Dialect) -> str:
    return "?" if dialect.paramstyle == "qmark" else "%s"


def _binds(table: Table, names: Iterable[str], dialect: Dialect) -> tuple[tuple[str, Bind], ...]:
    return tuple((name, _bind(table.c[name], dialect)) for name in names)


def _bind(column: Column[Any], dialect: Dialect) -> Bind:
    return column.type.dialect_impl(dialect).bind_processor(dialect)


def _default(column: Column[Any]) -> Callable[[], Any]:
    default = column.default
    if isinstance(default, CallableColumnDefault):
        return partial(default.arg, None)  # type: ignore[arg-type]
    assert isinstance(default, ScalarElementColumnDefault), "the kinds that our tables have"
    return partial(_same, default.arg)


def _same(value: Any) -> Any:
    return value
