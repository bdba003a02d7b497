"""The versions of a registered model in MLflow: their names, tags and aliases."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.store.entities import PagedList

from pipelines.mlflow_model import KIND
from pipelines.registration import ALIASES, Candidate, Place

Found = TypeVar("Found")
PAGE = 1000  # versions per call


def create_name(client: MlflowClient, candidate: Candidate) -> None:
    """Make the registered model, unless it is there."""
    tags = {"kind": KIND, "task": candidate.task, "backbone_sha": candidate.backbone.sha}
    try:
        client.create_registered_model(candidate.model_name, tags)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def find_version(client: MlflowClient, name: str, digest: str) -> ModelVersion | None:
    """Return the version that a prompt has; the first, should a crash have left two."""
    found = client.search_model_versions(f"name = '{name}' and tags.digest = '{digest}'")
    return min(found, key=lambda one: int(one.version)) if found else None


def show_standings(client: MlflowClient, name: str, places: Sequence[Place]) -> None:
    """Let MLflow's aliases, and the tag `standing` of each version, say what SQL says."""
    versions = all_pages(client.search_model_versions, f"name = '{name}'")
    there = {int(one.version): one for one in versions}
    if not there:
        return  # its first version is still to come, and asks for this again
    for alias in ALIASES:
        holder = next((one.version for one in places if one.standing == alias), None)
        if holder in there:
            client.set_registered_model_alias(name, alias, str(holder))
        else:
            client.delete_registered_model_alias(name, alias)
    for place in places:
        version = there.get(place.version or 0)
        if version and version.tags.get("standing", "candidate") != place.standing:
            client.set_model_version_tag(name, version.version, "standing", place.standing)


def all_pages(search: Callable[..., PagedList[Found]], *args: object) -> list[Found]:
    """Return all that a search of MLflow finds."""
    return list(each_page(search, *args))


def each_page(search: Callable[..., PagedList[Found]], *args: object) -> Iterator[Found]:
    """Yield what a search of MLflow finds, while there is more; what it finds must stay there."""
    page = search(*args, max_results=PAGE)
    yield from page
    while page.token:
        page = search(*args, max_results=PAGE, page_token=page.token)
        yield from page
