"""How the tables of lineage change. An installed wheel has no ini: settings are made here."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

from pipelines import guards
from pipelines.reader import HEAD

HERE = Path(__file__).parent


class UnknownSchema(ValueError):
    """The database was made by a newer program than this."""

    def __init__(self, found: str) -> None:
        super().__init__(
            f"the lineage database has schema {found!r}, but this program knows {HEAD!r} and "
            "older: install the newer prompt-transfer"
        )


def revision(engine: Engine) -> str | None:
    """Return the schema that the tables have; None if there are none of ours."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def known() -> set[str]:
    """Return the schemas that this program knows."""
    return {one.revision for one in ScriptDirectory.from_config(_config()).walk_revisions()}


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Bring the tables up to `revision`, in one transaction.

    Callers that may race hold a lock: `pipelines.database.migrate` does.

    Raises:
        UnknownSchema: the database is newer than this program.
    """
    with _transaction(engine) as connection:
        config = _config()
        config.attributes["connection"] = connection
        found = MigrationContext.configure(connection).get_current_revision()
        if found is not None and found not in known():
            raise UnknownSchema(found)
        guards.drop(connection)
        command.upgrade(config, revision)
        if MigrationContext.configure(connection).get_current_revision() == HEAD:
            guards.create(connection)


def downgrade(engine: Engine, revision: str = "base") -> None:
    """Take the tables back to `revision`, in one transaction; rows in dropped tables are lost."""
    with _transaction(engine) as connection:
        config = _config()
        config.attributes["connection"] = connection
        guards.drop(connection)
        command.downgrade(config, revision)


class BrokenLink(Exception):
    """A migration left a row that points to nothing; it was undone."""

    def __init__(self, table: str) -> None:
        super().__init__(f"after the migration a row of {table!r} would point to nothing: undone")


@contextmanager
def _transaction(engine: Engine) -> Iterator[Connection]:
    """Open a transaction in which SQLite lets a table be replaced by its next version.

    SQLite changes a rule only by copying the table, and its foreign keys, which would see the old
    one go, can only be switched outside of a transaction. They are checked at the end instead.
    """
    with engine.connect().execution_options(immediate=True) as connection:
        if engine.dialect.name != "sqlite":
            with connection.begin():
                yield connection
            return
        driver = connection.connection.cursor()
        driver.execute("PRAGMA foreign_keys=OFF")
        try:
            with connection.begin():
                yield connection
                if broken := connection.exec_driver_sql("PRAGMA foreign_key_check").first():
                    raise BrokenLink(broken[0])
        finally:
            driver.execute("PRAGMA foreign_keys=ON")


def _config() -> Config:
    config = Config()
    # A percent sign in the path would be read as the start of an interpolation.
    config.set_main_option("script_location", str(HERE).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    return config
