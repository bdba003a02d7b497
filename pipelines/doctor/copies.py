"""Copies of a prompt's bytes in MLflow: for when the store has lost them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from hashlib import sha256

from mlflow import MlflowClient
from sqlalchemy import select

from pipelines.doctor.finding import Home
from pipelines.mlflow_model import weights
from pipelines.mlflow_server import RegistryDown, look, mlflow_errors
from pipelines.registry_tables import registrations


@dataclass(frozen=True)
class Copy:
    """A version that has a prompt's bytes; `read` returns them, if they are still the same."""

    version: str
    read: Callable[[], bytes | None]


def copy_of(home: Home, sha: str) -> Copy | None:
    """Return the copy that MLflow has of a prompt, if it has a good one."""
    try:
        client = look(home.registry.uri)
    except RegistryDown:
        return None
    if client is None:
        return None
    places = select(registrations.c.model_name, registrations.c.version).where(
        registrations.c.prompt_sha == sha, registrations.c.version.is_not(None)
    )
    with home.lineage.database.reading() as connection:
        found = connection.execute(places).all()
    for name, number in found:
        copy = Copy(f"{name}/{number}", partial(_read, client, name, number, sha))
        if copy.read() is not None:
            return copy
    return None


def _read(client: MlflowClient, name: str, number: int, sha: str) -> bytes | None:
    try:
        with mlflow_errors():
            data = weights(client, client.get_model_version(name, str(number)))
    except RegistryDown:  # of one that was deleted too
        return None
    return data if data is not None and sha256(data).hexdigest() == sha else None
