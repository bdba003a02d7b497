"""The databases of Prefect and MLflow: SQLite files in the home, or PostgreSQL by URL.

In PostgreSQL each has a schema of its own, so that both, and lineage, may share one database:
each of the three has a table `alembic_version`.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from sqlalchemy import URL, Connection, make_url, text
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from flows.settings import PREFIX
from pipelines.database import connect

PREFECT_URL, MLFLOW_URL = f"{PREFIX}PREFECT_DATABASE_URL", f"{PREFIX}MLFLOW_DATABASE_URL"


class BadDatabase(ValueError):
    """A server's database cannot be used. The URL may hold a password: it is never repeated."""

    def __init__(self, variable: str, problem: str) -> None:
        super().__init__(f"the database that {variable} names cannot be used: {problem}")


class DatabaseDown(ConnectionError):
    """A server's database does not answer."""

    try_again = True

    def __init__(self, variable: str, reason: Exception) -> None:
        line = " ".join(str(reason).partition("\n")[0].split())
        super().__init__(
            f"the database that {variable} names does not answer ({line}): see that it is up and "
            "that the URL is right, and try again"
        )


def prefect_database() -> dict[str, str]:
    """Return the environment that tells Prefect its database; make its schema where it has none.

    Raises:
        BadDatabase: it is no PostgreSQL, or Prefect cannot work with it.
        DatabaseDown: it does not answer.
    """
    url = _postgresql(PREFECT_URL)
    if url is None:
        return {}  # a file in PREFECT_HOME
    with _opened(PREFECT_URL, url) as connection:
        _make_schema(connection, "prefect")
        # Else Prefect would take lineage's table for its own, should it see that one first.
        connection.execute(text(
            "CREATE TABLE IF NOT EXISTS prefect.alembic_version "
            "(version_num VARCHAR(32) PRIMARY KEY)"
        ))  # fmt: skip
        trigrams = _trigrams(connection)
    path = "prefect" if trigrams == "prefect" else f"prefect,{trigrams}"
    return {
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": _told(url, "postgresql+asyncpg"),
        "PREFECT_SERVER_DATABASE_SQLALCHEMY_CONNECT_ARGS_SEARCH_PATH": path,
    }


def mlflow_database(home: Path) -> str:
    """Return the URL of MLflow's database; make its schema where it has none.

    Raises:
        BadDatabase: it is no PostgreSQL.
        DatabaseDown: it does not answer.
    """
    url = _postgresql(MLFLOW_URL)
    if url is None:
        return f"sqlite:///{home}/mlflow.db"
    with _opened(MLFLOW_URL, url) as connection:
        _make_schema(connection, "mlflow")
    inside = url.update_query_dict({"options": "-csearch_path=mlflow"})
    return _told(inside, "postgresql+psycopg")


def _postgresql(variable: str) -> URL | None:
    given = os.environ.get(variable, "")
    if not given:
        return None
    try:
        url = make_url(given)
    except ArgumentError:
        raise BadDatabase(variable, "it is no URL: give postgresql://USER@HOST/NAME") from None
    if url.get_backend_name() != "postgresql":
        raise BadDatabase(
            variable, "it is no PostgreSQL: give postgresql://USER@HOST/NAME, or nothing for SQLite"
        )
    if find_spec("psycopg") is None:
        raise BadDatabase(
            variable, "psycopg is not installed: pip install prompt-transfer[postgres]"
        )
    return url.set(drivername="postgresql")


@contextmanager
def _opened(variable: str, url: URL) -> Iterator[Connection]:
    engine = connect(_told(url, "postgresql"))
    try:
        with engine.begin() as connection:
            yield connection
    except SQLAlchemyError as error:
        raise DatabaseDown(variable, error) from error
    finally:
        engine.dispose()


def _make_schema(connection: Connection, name: str) -> None:
    connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {name}"))


def _trigrams(connection: Connection) -> str:
    """Return the schema of the extension pg_trgm, which Prefect's indexes need; install it."""
    where = text(
        "SELECT nspname FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace "
        "WHERE extname = 'pg_trgm'"
    )
    if found := connection.scalar(where):
        return str(found)
    there = text("SELECT 1 FROM pg_available_extensions WHERE name = 'pg_trgm'")
    if connection.scalar(there) is None:
        raise BadDatabase(
            PREFECT_URL, "Prefect needs the extension pg_trgm: install PostgreSQL's contrib modules"
        )
    connection.execute(text("CREATE EXTENSION pg_trgm SCHEMA prefect"))
    return "prefect"


def _told(url: URL, driver: str) -> str:
    return url.set(drivername=driver).render_as_string(hide_password=False)
