"""What lineage says of the model registry, version by version: whether MLflow has it so."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from sqlalchemy import select

from pipelines.doctor.finding import Finding, Home
from pipelines.doctor.telling import tell_prompt, tell_standings
from pipelines.mlflow_model import digest_of
from pipelines.registration import ALIASES, Place
from pipelines.registry_tables import registrations

PART = "registry"
PORTION = 500  # places that are looked up at once


@contextmanager
def if_there() -> Iterator[None]:
    """Go on where MLflow does not have what is asked for."""
    try:
        yield
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise


def findings(home: Home, client: MlflowClient) -> Iterator[Finding]:
    """Yield the versions that MLflow does not have, or not as they were made."""
    for number, place in enumerate(_closed(home), start=1):
        home.note(f"registry: {number:,} versions compared")
        yield from _of(home, client, place)


def aliases(home: Home, client: MlflowClient) -> Iterator[Finding]:
    """Yield the aliases that are not at the version that lineage says."""
    for name in _names(home):
        shown = None
        with if_there():
            shown = client.get_registered_model(name).aliases
        if shown is None:
            continue  # MLflow has no version of it
        at = {alias: int(version) for alias, version in shown.items()}
        wanted = {one.standing: one.version for one in _standing(home, name)}
        for alias in (one for one in ALIASES if at.get(one) != wanted.get(one)):
            is_at, should = (_at(where.get(alias)) for where in (at, wanted))
            what = f"{name}@{alias} is at {is_at} in MLflow, and at {should} by lineage"
            yield Finding(PART, what, "sets it right", partial(tell_standings, home, name))


def _at(version: int | None) -> str:
    return f"version {version}" if version else "no version"


def _closed(home: Home) -> Iterator[Place]:
    """Yield the places that have a version."""
    columns = [registrations.c[field] for field in Place.__annotations__]
    for name in _names(home):
        last, of_name = 0, select(*columns).where(registrations.c.model_name == name)
        while True:
            later = of_name.where(registrations.c.version > last)
            with home.lineage.database.reading() as connection:
                rows = connection.execute(later.order_by(registrations.c.version).limit(PORTION))
                found = [Place(*row) for row in rows]
            if not found:
                break
            yield from found
            last = found[-1].version or last


def _names(home: Home) -> list[str]:
    query = select(registrations.c.model_name).where(registrations.c.version.is_not(None))
    with home.lineage.database.reading() as connection:
        return sorted(connection.scalars(query.distinct()))


def _standing(home: Home, name: str) -> list[Place]:
    """Return the places of one model that an alias shows."""
    columns = [registrations.c[field] for field in Place.__annotations__]
    shown = registrations.c.standing.in_(ALIASES)
    query = select(*columns).where(registrations.c.model_name == name, shown)
    with home.lineage.database.reading() as connection:
        return [Place(*row) for row in connection.execute(query)]


def _of(home: Home, client: MlflowClient, place: Place) -> Iterator[Finding]:
    version = None
    with if_there():
        version = client.get_model_version(place.model_name, str(place.version))
    wrong, is_anothers = _wrong_with(home, client, place, version)
    label = f"{place.model_name}/{place.version}"
    if wrong:
        what = f"{label} {wrong}; by lineage it is prompt {place.prompt_sha[:12]}"
        taken = None if is_anothers else version
        remedy = f"{'deletes it, and ' if taken else ''}uploads the prompt again"
        yield Finding(PART, what, remedy, partial(_again, home, client, place, taken))
    elif version and (tag := version.tags.get("standing", "candidate")) != place.standing:
        what = f"{label} is {tag} in MLflow, and {place.standing} by lineage"
        yield Finding(PART, what, "sets it right", partial(tell_standings, home, place.model_name))


def _wrong_with(
    home: Home, client: MlflowClient, place: Place, version: ModelVersion | None
) -> tuple[str, bool]:
    """Return what is wrong with a version, and whether it is another prompt's."""
    if version is None:
        return "is not in MLflow", False
    named = version.tags.get("digest")
    if named != place.prompt_sha:
        is_anothers = named is not None and _has_place(home, place.model_name, named)
        return f"is prompt {(named or 'nobody knows which')[:12]} in MLflow", is_anothers
    found = None
    with if_there():
        found = digest_of(client, version)
    if found is None:
        return "has no weights in MLflow", False
    return ("" if found == place.prompt_sha else f"has the bytes {found[:12]} in MLflow"), False


def _has_place(home: Home, name: str, prompt_sha: str) -> bool:
    query = select(registrations.c.task).filter_by(model_name=name, prompt_sha=prompt_sha)
    with home.lineage.database.reading() as connection:
        return connection.scalar(query) is not None


def _again(home: Home, client: MlflowClient, place: Place, wrong: ModelVersion | None) -> None:
    if wrong:
        # Its run and logged model too: what is whole of them would be used again, with its bytes.
        with if_there():
            client.delete_model_version(wrong.name, str(wrong.version))
        with if_there():
            client.delete_logged_model(str(wrong.tags.get("logged_model")))
        with if_there():
            client.delete_run(str(wrong.run_id))
    tell_prompt(home, place.prompt_sha, place.task)
