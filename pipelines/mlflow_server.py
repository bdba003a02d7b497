"""How MLflow is reached: opened once under a lock, quietly, and with one kind of failure."""

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sqlalchemy import Engine, make_url
from sqlalchemy.exc import SQLAlchemyError

from pipelines.locks import hold

EXPERIMENT = "prompt-transfer"
INIT_WAIT = 120.0  # seconds; a fresh database takes MLflow about 5
CONNECT_WAIT = 3.0  # seconds
NOISY = ("alembic", "mlflow.store.db.utils", "mlflow.tracking")


class RegistryDown(Exception):
    """MLflow did not do what was asked; lineage has everything, so nothing is lost."""

    try_again = True

    def __init__(self, reason: object) -> None:
        line = " ".join(str(reason).split())[:300]
        super().__init__(
            f"MLflow failed ({line}): nothing is lost, the prompts are in lineage; "
            "when MLflow is back, publish again"
        )


@contextmanager
def mlflow_errors() -> Iterator[None]:
    """Turn all that MLflow may raise into RegistryDown."""
    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise RegistryDown(error) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the news of MLflow's own migrations from stderr; warnings still come through."""
    loggers = [logging.getLogger(name) for name in NOISY]
    before = [one.level for one in loggers]
    for one in loggers:
        one.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for one, level in zip(loggers, before, strict=True):
            one.setLevel(level)


def open_client(tracking_uri: str, engine: Engine, locks: Path) -> MlflowClient:
    """Return a client whose database is ready.

    Two processes that create MLflow's tables at once leave a broken database, so this is done
    under a lock.

    Raises:
        RegistryDown: MLflow cannot be reached.
        Busy: another process has been creating the tables for minutes.
    """
    with mlflow_errors(), quiet(), hold(engine, locks, "mlflow", wait=INIT_WAIT):
        _knock(tracking_uri)
        client = MlflowClient(tracking_uri, registry_uri=tracking_uri)
        client.search_experiments(max_results=1)
    return client


def is_private(tracking_uri: str) -> bool:
    """Say whether MLflow is a file, which nobody else writes to, and no server."""
    return urlsplit(tracking_uri).scheme.startswith("sqlite")


def look(tracking_uri: str) -> MlflowClient | None:
    """Return a client that makes nothing; None where the database was never made.

    Raises:
        RegistryDown: MLflow cannot be reached.
    """
    with mlflow_errors(), quiet():
        if is_private(tracking_uri):
            file = Path(str(make_url(tracking_uri).database))
            if not file.is_file() or not file.stat().st_size:
                return None
        _knock(tracking_uri)
        client = MlflowClient(tracking_uri, registry_uri=tracking_uri)
        client.search_experiments(max_results=1)
    return client


def _knock(tracking_uri: str) -> None:
    """Fail at once where no server listens: MLflow's own client tries for four minutes."""
    parts = urlsplit(tracking_uri)
    if parts.scheme in {"http", "https"}:
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
        socket.create_connection((str(parts.hostname), port), timeout=CONNECT_WAIT).close()


def experiment_id(client: MlflowClient, tracking_uri: str, artifacts: Path) -> str:
    """Return the id of our experiment; make it where there is none.

    A server keeps artifacts where it is told to; a plain database keeps them in `artifacts`.
    """
    found = client.get_experiment_by_name(EXPERIMENT)
    if found is None:
        on_server = urlsplit(tracking_uri).scheme in {"http", "https"}
        location = None if on_server else artifacts.absolute().as_uri()
        return str(client.create_experiment(EXPERIMENT, artifact_location=location))
    return str(found.experiment_id)
