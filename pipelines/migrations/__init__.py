"""How the tables of lineage change. An installed wheel has no ini: settings are made here."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

from pipelines.tables import HEAD

HERE = Path(__file__).parent


class UnknownSchema(ValueError):
    """The database was made by a newer program than this."""

    def __init__(self, found: str) -> None:
        super().__init__(
            f"the lineage database has schema {found!r}, but this program knows {HEAD!r} and "
            "older: install the newer prompt-transfer"
        )


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Bring the tables up to `revision`, in one transaction.

    Callers that may race hold a lock: `pipelines.database.migrate` does.

    Raises:
        UnknownSchema: the database is newer than this program.
    """
    with engine.execution_options(immediate=True).begin() as connection:
        config = _config()
        config.attributes["connection"] = connection
        known = {one.revision for one in ScriptDirectory.from_config(config).walk_revisions()}
        found = MigrationContext.configure(connection).get_current_revision()
        if found is not None and found not in known:
            raise UnknownSchema(found)
        command.upgrade(config, revision)


def downgrade(engine: Engine, revision: str = "base") -> None:
    """Take the tables back to `revision`, in one transaction; rows in dropped tables are lost."""
    with engine.execution_options(immediate=True).begin() as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.downgrade(config, revision)


def _config() -> Config:
    config = Config()
    # A percent sign in the path would be read as the start of an interpolation.
    config.set_main_option("script_location", str(HERE).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    return config
