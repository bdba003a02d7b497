"""Whether the lineage database is whole, and has the tables that this program needs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine, Index, inspect, make_url
from sqlalchemy.exc import DatabaseError

from pipelines import guards, migrations
from pipelines.database import migrate, use_wal
from pipelines.doctor.finding import Finding, Home, Skipped
from pipelines.indexes import MODELS
from pipelines.reader import HEAD

PART = "schema"
BACKUP = "put the database back from a backup"
SHOWN = 5  # of several broken things, so many are named


def absent(url: str, store: Path) -> Finding | Skipped | None:
    """Return that there is no database, where SQLite would make an empty one."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or Path(str(parsed.database)).exists():
        return None
    if any(store.glob("??/*")):
        what = f"there is no {parsed.database}, and a store with the prompts of one"
        return Finding(PART, what, f"{BACKUP}, or move {store} away to begin anew")
    return Skipped("lineage", f"nothing was recorded yet, there is no {parsed.database}")


def broken(home: Home) -> Iterator[Finding]:
    """Yield why lineage cannot be asked."""
    engine, locks = home.lineage.database.engine, home.lineage.locks
    try:
        found = migrations.revision(engine)
        if found == HEAD:
            yield from _missing(engine)
            yield from _damaged(home)
            return
    except DatabaseError as error:
        line = str(error.orig).partition("\n")[0]
        yield Finding(
            PART, f"{_name(engine)} cannot be read ({line})",
            f"see that this is the database of lineage, and that it runs; or {BACKUP}",
        )  # fmt: skip
        return
    if found is not None and found not in migrations.known():
        remedy = "install the newer prompt-transfer that made it"
        yield Finding(PART, f"{_name(engine)} has schema {found}; {HEAD} is known", remedy)
        return
    what = f"{_name(engine)} has {f'schema {found}' if found else 'no tables'}; {HEAD} is needed"
    yield Finding(PART, what, "migrates it", lambda: migrate(engine, locks))


def drift(home: Home) -> Iterator[Finding]:
    """Yield what differs from the tables of this program; lineage can be asked all the same."""
    engine = home.lineage.database.engine
    found = _differences(engine)
    ours = {one[1].name for one in found if one[0] == "add_index"}
    for one in found:
        if one[0] != "remove_index" or one[1].name not in ours:
            yield _changed(home, one)
    yield from _triggers(home)
    if engine.dialect.name == "sqlite" and (mode := _pragma(engine, "journal_mode")) != ["wal"]:
        what = f"{_name(engine)} has journal_mode {mode[0]}: readers and writers wait for another"
        yield Finding(PART, what, "sets it to wal", lambda: use_wal(engine))


def _missing(engine: Engine) -> Iterator[Finding]:
    there = inspect(engine).get_multi_columns(filter_names=list(MODELS.tables))
    found = {name: {one["name"] for one in columns} for (_, name), columns in there.items()}
    for table, model in sorted(MODELS.tables.items()):
        if table not in found:
            yield Finding(PART, f"the table {table} is missing", BACKUP)
            continue
        for column in (one.name for one in model.c if one.name not in found[table]):
            yield Finding(PART, f"the column {table}.{column} is missing", BACKUP)


def _damaged(home: Home) -> Iterator[Finding]:
    engine = home.lineage.database.engine
    if engine.dialect.name != "sqlite":
        return
    home.note("schema: SQLite checks its file")
    said = [one for one in _pragma(engine, f"integrity_check({SHOWN})") if one != "ok"]
    if said:
        remedy = f"{BACKUP}, or save what can be read: sqlite3 {engine.url.database} .recover"
        yield Finding(PART, f"{_name(engine)} is damaged: {'; '.join(said)}", remedy)
        return
    with engine.connect() as connection:
        lost = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchmany(SHOWN)
    for table, row, to, _ in lost:
        what = f"row {row} of {table} points to a row of {to} that is not there"
        yield Finding(PART, what, f"{BACKUP}: foreign keys were switched off when it was deleted")


def _changed(home: Home, one: tuple[Any, ...]) -> Finding:
    kind, thing = one[0], one[1]
    if kind == "add_index":
        what = f"the index {thing.name} of {thing.table.name} is missing or differs"
        return Finding(PART, what, "makes it anew", lambda: _make(home, thing))
    by_hand = "it was changed by hand: change it back"
    if kind == "remove_index":
        what = f"the index {thing.name} of {thing.table.name} is not ours"
        return Finding(PART, what, "leave it, if it is yours", harmless=True)
    if kind == "remove_column" or kind.startswith("modify_"):
        column = one[3] if isinstance(one[3], str) else one[3].name
        return Finding(
            PART, f"the column {one[2]}.{column} is not as it was made ({kind})", by_hand
        )
    return Finding(
        PART, f"a rule of {thing.table.name} is not as it was made ({kind} {thing.name})", by_hand
    )


def _make(home: Home, index: Index) -> None:
    with home.lineage.database.writing() as connection:
        connection.exec_driver_sql(f'DROP INDEX IF EXISTS "{index.name}"')
        index.create(connection)


def _triggers(home: Home) -> Iterator[Finding]:
    with home.lineage.database.reading() as connection:
        state = guards.state(connection, MODELS.tables)
    if state.missing:
        what = f"triggers that protect what was told are missing or differ: {_few(state.missing)}"
        yield Finding(PART, what, "makes them anew", lambda: _guard(home))
    if state.foreign:
        what = f"triggers on our tables that are not ours: {_few(state.foreign)}"
        yield Finding(PART, what, "drop them: they may change what is recorded")


def _guard(home: Home) -> None:
    with home.lineage.database.writing() as connection:
        guards.drop(connection)
        guards.create(connection)


def _few(names: list[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _differences(engine: Engine) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        found = compare_metadata(_context(connection), MODELS)
    return [one for some in found for one in (some if isinstance(some, list) else [some])]


def _context(connection: Connection) -> MigrationContext:
    # Other programs may have tables in the same database.
    def ours(name: str | None, kind: str, _: object) -> bool:
        return kind != "table" or name in MODELS.tables

    return MigrationContext.configure(connection, opts={"include_name": ours})


def _pragma(engine: Engine, name: str) -> list[str]:
    with engine.connect() as connection:
        return list(connection.exec_driver_sql(f"PRAGMA {name}").scalars())


def _name(engine: Engine) -> str:
    return str(engine.url.database or engine.url.render_as_string(hide_password=True))
