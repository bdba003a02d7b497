"""MLflow against lineage, whose copy it is."""

from collections.abc import Iterator

from mlflow import MlflowClient
from sqlalchemy import func, select

from pipelines.doctor import places, strays
from pipelines.doctor.finding import Finding, Home, Skipped
from pipelines.doctor.telling import check
from pipelines.locks import is_held
from pipelines.mlflow_server import EXPERIMENT, RegistryDown, look, mlflow_errors
from pipelines.registration import reopen
from pipelines.registry_tables import registrations

PART = "registry"
PORTION = 500  # places that are written in one transaction
CLOSED = registrations.c.version.is_not(None)


def findings(home: Home) -> Iterator[Finding | Skipped]:
    """Yield what MLflow lacks, has otherwise, or has too much; nothing if it is down."""
    engine, locks = home.lineage.database.engine, home.lineage.locks
    if any(is_held(engine, locks, name) for name in ("relay-registry", "registry")):
        yield Skipped(PART, "another process is telling MLflow: look again when it is done")
        return
    try:
        with mlflow_errors():
            yield from _compared(home, look(home.registry.uri))
    except RegistryDown as error:
        yield Skipped(PART, str(error))


def _compared(home: Home, client: MlflowClient | None) -> Iterator[Finding | Skipped]:
    experiment = client.get_experiment_by_name(EXPERIMENT) if client else None
    if client is None or experiment is None:
        yield from _lost(home)
        return
    yield from places.findings(home, client)
    yield from strays.findings(home, client, str(experiment.experiment_id))
    yield from places.aliases(home, client)


def _lost(home: Home) -> Iterator[Finding]:
    with home.lineage.database.reading() as connection:
        count = connection.scalar(select(func.count()).select_from(registrations).where(CLOSED))
    if count:
        what = f"MLflow has nothing of ours, and by lineage {count} prompts: its database was lost"
        yield Finding(PART, what, "tells it all of them again", lambda: _tell_all(home))


def _tell_all(home: Home) -> None:
    some = select(registrations.c.prompt_sha, registrations.c.task).where(CLOSED).limit(PORTION)
    while True:
        with home.lineage.database.writing() as connection:
            found = connection.execute(some).all()
            for one in found:
                reopen(connection, one.prompt_sha, one.task)
        if not found:
            break
    check(home.registry.publish_pending())
