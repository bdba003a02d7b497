"""The database that lineage is in: how it is opened, read and written."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, DisconnectionError, OperationalError, ProgrammingError
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from pipelines.locks import hold
from pipelines.reader import HEAD, Reader

IDLE = 1.0  # seconds after which a connection may have been lost unnoticed
MIGRATION_WAIT = 120.0  # seconds; another process may be creating the tables


class Database:
    """Connections to one database: `reading()` never waits, `writing()` is one transaction."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._writer = engine.execution_options(immediate=True)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a connection that only reads; on SQLite it does not wait for writers."""
        with self.engine.connect() as connection:
            yield connection

    @property
    def dialect(self) -> str:
        """sqlite or postgresql."""
        return self.engine.dialect.name

    @contextmanager
    def asking(self) -> Iterator[Reader]:
        """Open one transaction for questions."""
        with self.engine.begin() as connection, _translating(connection):
            yield Reader(connection.connection, self.dialect)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open one transaction: it is committed at the end, or nothing of it is."""
        with self._writer.begin() as connection, _translating(connection):
            yield connection


@contextmanager
def _translating(connection: Connection) -> Iterator[None]:
    """Let errors of the driver be those of SQLAlchemy, which callers know."""
    theirs = connection.dialect.loaded_dbapi.Error
    try:
        yield
    except theirs as error:
        said = "a statement past SQLAlchemy"
        raise DBAPIError.instance(said, None, error, theirs, dialect=connection.dialect) from error


def connect(url: str | URL) -> Engine:
    """Return an engine for `url` (sqlite or postgresql), set up for several processes."""
    parsed = make_url(url)
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() != "sqlite":
        # No limit: each run that is under way holds one, for its lock.
        engine = create_engine(parsed, max_overflow=-1)
        event.listen(engine, "checkin", _note_when)
        event.listen(engine, "checkout", _look_after_a_while)
        return engine
    Path(str(parsed.database)).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(parsed)
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _note_when(connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
    record.info["left"] = time.monotonic()


def _look_after_a_while(
    connection: DBAPIConnection, record: ConnectionPoolEntry, taken: PoolProxiedConnection
) -> None:
    """Let a connection that was not used for long, and is broken, be replaced by a new one."""
    # Not each time, as `pool_pre_ping` does: a run takes three connections within milliseconds.
    if time.monotonic() - record.info.get("left", math.inf) > IDLE:
        try:
            connection.cursor().execute("SELECT 1")
            connection.rollback()
        except Exception as error:  # of the driver
            raise DisconnectionError from error


def _set_up_sqlite(connection: DBAPIConnection, record: object) -> None:
    # None: the driver must not begin transactions of its own; `_begin_sqlite` does.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA busy_timeout=30000")  # milliseconds
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A writer that begins by reading cannot wait for the lock later: SQLite says "locked" at once.
    immediate = connection.get_execution_options().get("immediate", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def migrate(engine: Engine, locks: Path) -> None:
    """Bring the tables up to date; at once when they are, and by one process only when not."""
    if is_current(engine):
        return
    from pipelines import migrations  # Alembic: 0.2 s that only this path pays

    with hold(engine, locks, "schema", wait=MIGRATION_WAIT):
        if is_current(engine):
            return
        if engine.dialect.name == "sqlite":
            use_wal(engine)
        migrations.upgrade(engine)


def is_current(engine: Engine) -> bool:
    """Say whether the tables are those of this program."""
    try:
        with engine.connect() as connection:
            found = connection.scalar(text("SELECT version_num FROM alembic_version"))
    except (OperationalError, ProgrammingError) as error:
        if "alembic_version" not in str(error.orig):
            raise  # not "no such table": the database cannot be reached or read
        return False
    return bool(found == HEAD)


def use_wal(engine: Engine) -> None:
    """Let SQLite keep a log, so that readers and one writer do not wait for another."""
    # It stays in the file, so once is enough; it cannot be set inside a transaction.
    connection = engine.raw_connection()
    try:
        connection.cursor().execute("PRAGMA journal_mode=WAL")
    finally:
        connection.close()
