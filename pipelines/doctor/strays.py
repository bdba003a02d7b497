"""What MLflow has of ours, and lineage does not name: what a crash or a restored backup left."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import LoggedModel
from mlflow.entities.model_registry import ModelVersion
from sqlalchemy import Row, func, select

from pipelines.doctor.finding import Finding, Home, Skipped
from pipelines.doctor.places import if_there
from pipelines.mlflow_model import KIND
from pipelines.mlflow_server import is_private
from pipelines.mlflow_version import each_page, find_version
from pipelines.registry_tables import registrations
from pipelines.tables import runs

PART = "registry"
OURS = f"tags.kind = '{KIND}'"
UNFINISHED = "attributes.status != 'FINISHED'"

Tags = dict[str, str]


def findings(home: Home, client: MlflowClient, experiment: str) -> Iterator[Finding | Skipped]:
    """Yield what is too much. What another lineage has published on a server is left alone.

    Each kind is looked through to its end before any is yielded: pages of a search move when
    something is deleted.
    """
    found = [(one, why, _is_known(home, one.tags)) for one, why in _versions(home, client)]
    foreign = sum(not is_known for *_, is_known in found)
    is_all_ours = is_private(home.registry.uri) and foreign <= _number_of_places(home)
    if foreign and not is_all_ours:
        yield _of_others(home, foreign)
    for one, why, is_known in found:
        if is_known or is_all_ours:
            delete = partial(client.delete_model_version, one.name, str(one.version))
            yield _delete(f"{one.name}/{one.version} in MLflow {why}", delete)
    for model in list(_models(home, client, experiment)):
        if is_all_ours or _is_known(home, model.tags):
            what = f"the logged model {model.model_id} in MLflow has no version"
            yield _delete(what, partial(client.delete_logged_model, model.model_id))
    for run_id, tags in list(_unfinished(client, experiment)):
        if is_all_ours or _is_known(home, tags):
            what = f"the run {run_id} in MLflow was never finished: its publisher was killed"
            yield _delete(what, partial(client.delete_run, run_id))


def _of_others(home: Home, count: int) -> Finding | Skipped:
    if not is_private(home.registry.uri):
        return Skipped(PART, f"{count} versions are of other lineages, and were left alone")
    what = f"{count} versions in MLflow are of prompts that this lineage does not know"
    remedy = "see that lineage and MLflow belong together: of so many, none is deleted"
    return Finding(PART, what, remedy)


def _delete(what: str, call: Callable[[], object]) -> Finding:
    def mend() -> None:
        with if_there():
            call()

    return Finding(PART, what, "deletes it", mend)


def _is_known(home: Home, tags: Tags) -> bool:
    """Say whether it is of a run of this lineage."""
    known = select(runs.c.id).where(runs.c.id == tags.get("lineage_run", ""))
    with home.lineage.database.reading() as connection:
        return connection.scalar(known) is not None


def _number_of_places(home: Home) -> int:
    with home.lineage.database.reading() as connection:
        return connection.scalar(select(func.count()).select_from(registrations)) or 0


def _versions(home: Home, client: MlflowClient) -> Iterator[tuple[ModelVersion, str]]:
    for number, one in enumerate(each_page(client.search_model_versions, OURS), start=1):
        home.note(f"registry: {number:,} versions of MLflow looked up in lineage")
        place = _place(home, one.name, one.tags)
        if place is None:
            yield one, "is of a prompt that lineage does not know"
            continue
        kept = place.version or _first(client, one)
        if int(one.version) != kept:
            yield one, f"is the same prompt as version {kept}"


def _first(client: MlflowClient, one: ModelVersion) -> int:
    found = find_version(client, one.name, one.tags["digest"])
    return int((found or one).version)


def _place(home: Home, name: str, tags: Tags) -> Row[Any] | None:
    query = select(registrations).filter_by(model_name=name, prompt_sha=tags.get("digest", ""))
    with home.lineage.database.reading() as connection:
        return connection.execute(query).first()


def _models(home: Home, client: MlflowClient, experiment: str) -> Iterator[LoggedModel]:
    for one in each_page(client.search_logged_models, [experiment], OURS):
        if not _has_version(home, client, one):
            yield one


def _has_version(home: Home, client: MlflowClient, model: LoggedModel) -> bool:
    name = model.tags.get("model_name", "")
    place = _place(home, name, model.tags)
    if place is None:
        return False
    if place.version is None:
        return True  # it is still to come
    version = find_version(client, name, place.prompt_sha)
    return version is not None and version.tags.get("logged_model") == model.model_id


def _unfinished(client: MlflowClient, experiment: str) -> Iterator[tuple[str, Tags]]:
    for one in each_page(client.search_runs, [experiment], UNFINISHED):
        if "lineage_run" in one.data.tags:
            yield one.info.run_id, one.data.tags
