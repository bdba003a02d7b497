"""Prompts in MLflow's model registry: a copy of what SQL says, for people and servers to find.

Everything here may be repeated, and may crash between any two lines: publishing again finds what
is there and adds what is missing.
"""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.store.entities import PagedList

from pipelines import registration
from pipelines.best import Best
from pipelines.lineage import Lineage
from pipelines.locks import hold
from pipelines.lookup import find_prompt
from pipelines.mlflow_server import experiment_id, mlflow_errors, open_client
from pipelines.registration import Candidate
from pipelines.run_export import PROMPT_FOLDER, export_run, metric_name
from pipelines.store import Store

Item = TypeVar("Item")

CHAMPION = "champion"
PUBLISH_WAIT = 120.0  # seconds that one publisher waits for another
PAGE = 1000  # versions per call


class Registry:
    """The model registry at `tracking_uri`.

    Args:
        lineage: what is published, and where the champion is chosen.
        store: where the prompts' bytes are.
        tracking_uri: a database (`sqlite:///file`) or a server (`http://...`).
        artifacts: the folder for files, where `tracking_uri` is a database.
    """

    def __init__(self, lineage: Lineage, store: Store, tracking_uri: str, artifacts: Path) -> None:
        self._lineage = lineage
        self._store = store
        self._uri = tracking_uri
        self._artifacts = artifacts

    @cached_property
    def _client(self) -> MlflowClient:
        return open_client(self._uri, self._lineage.database.engine, self._lineage.locks)

    def publish(self, prompt_sha: str) -> list[str]:
        """Publish a prompt; return `name/version` for each task it was made for.

        Raises:
            UnknownId: lineage does not know the prompt.
            RegistryDown: MLflow failed; the prompt stays pending.
            Busy: another process has been publishing for minutes.
        """
        with self._lineage.database.reading() as connection:
            sha = find_prompt(connection, prompt_sha).sha
            candidates = registration.candidates(connection, sha)
        client = self._client
        # Looking for a version and making it are two calls: one publisher at a time.
        with hold(self._lineage.database.engine, self._lineage.locks, "registry", PUBLISH_WAIT):
            return [self._publish(client, one) for one in candidates]

    def publish_pending(self) -> list[str]:
        """Publish all that MLflow lacks, and set right the aliases that a crash left behind.

        Raises:
            RegistryDown: MLflow failed; what is not published yet stays pending.
            Busy: another process has been publishing for minutes.
        """
        with self._lineage.database.reading() as connection:
            shas = registration.pending(connection)
        published = [name for sha in shas for name in self.publish(sha)]
        return published + [name for sha in self._misplaced() for name in self.publish(sha)]

    def _publish(self, client: MlflowClient, candidate: Candidate) -> str:
        with mlflow_errors():
            version = self._version(client, candidate)
            _show_test_score(client, version, candidate)
        with self._lineage.database.writing() as connection:
            registration.register(connection, candidate, int(version.version))
        with self._lineage.database.reading() as connection:
            champions = {one.model_name: one for one in registration.champions(connection)}
        champion = champions.get(candidate.model_name)
        if champion and champion.version:
            with mlflow_errors():
                client.set_registered_model_alias(
                    champion.model_name, CHAMPION, str(champion.version)
                )
        return f"{candidate.model_name}/{version.version}"

    def _version(self, client: MlflowClient, candidate: Candidate) -> ModelVersion:
        name = candidate.model_name
        mine = f"name = '{name}' and tags.digest = '{candidate.prompt_sha}'"
        if found := client.search_model_versions(mine):
            return min(found, key=lambda one: int(one.version))
        experiment = experiment_id(client, self._uri, self._artifacts)
        run = export_run(client, experiment, candidate, self._store)
        _create_name(client, name, candidate)
        source = f"{run.info.artifact_uri}/{PROMPT_FOLDER}"
        return client.create_model_version(name, source, run.info.run_id, tags=_tags(candidate))

    def _misplaced(self) -> list[str]:
        """Return the champions that MLflow shows under another version, or not at all."""
        with self._lineage.database.reading() as connection:
            champions = registration.champions(connection)
        client = self._client
        with mlflow_errors():
            models = _all_pages(client.search_registered_models)
        shown = {model.name: model.aliases.get(CHAMPION) for model in models}
        return [
            one.prompt_sha
            for one in champions
            if str(shown.get(one.model_name)) != str(one.version)
        ]

    def best_from_mlflow(self, task: str, backbone_sha: str | None = None) -> Best | None:
        """Return the best prompt for `task` by what MLflow says, without asking lineage.

        It is equal to `Lineage.best`, once everything is published.

        Raises:
            RegistryDown: MLflow failed.
        """
        client = self._client
        with mlflow_errors():
            # Tags are text to MLflow, so `>` is refused, and the task could hold a quote: what
            # it cannot compare safely is compared here.
            found = _all_pages(client.search_model_versions, "tags.kind = 'soft-prompt'")
            scored = [
                one
                for one in found
                if one.tags["task"] == task
                and one.tags["backbone_sha"] == (backbone_sha or one.tags["backbone_sha"])
                and "validation_score" in one.tags
            ]
            if not scored:
                return None
            top = min(scored, key=lambda o: (-float(o.tags["validation_score"]), o.tags["digest"]))
            aliases = client.get_registered_model(top.name).aliases
        return _answer(top, champion=str(aliases.get(CHAMPION)) == str(top.version))


def _create_name(client: MlflowClient, name: str, candidate: Candidate) -> None:
    tags = {"kind": "soft-prompt", "task": candidate.task, "backbone_sha": candidate.backbone.sha}
    try:
        client.create_registered_model(name, tags)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _tags(candidate: Candidate) -> dict[str, str]:
    tags = {
        "kind": "soft-prompt",
        "prompt_kind": candidate.kind,
        "task": candidate.task,
        "backbone_sha": candidate.backbone.sha,
        "digest": candidate.prompt_sha,
        "lineage_run": candidate.run.id,
    }
    if score := candidate.run.primary("validation"):
        # repr keeps every bit of a float, so that ties are ties here too.
        tags |= {"metric": score.metric, "validation_score": repr(score.value)}
        tags |= {"score_n": str(score.n)}
    return tags


def _show_test_score(client: MlflowClient, version: ModelVersion, candidate: Candidate) -> None:
    test = candidate.test
    if test is None or version.tags.get("test_run") == test.run_id:
        return
    tags = {"test_score": repr(test.value), "test_n": str(test.n), "test_run": test.run_id}
    for key, value in tags.items():
        client.set_model_version_tag(version.name, version.version, key, value)
    client.log_metric(str(version.run_id), metric_name(f"test {test.metric}"), test.value)


def _all_pages(search: Callable[..., PagedList[Item]], *args: str) -> list[Item]:
    page = search(*args, max_results=PAGE)
    found = list(page)
    while page.token:
        page = search(*args, max_results=PAGE, page_token=page.token)
        found.extend(page)
    return found


def _answer(version: ModelVersion, champion: bool) -> Best:
    tags = version.tags
    return Best(
        prompt_sha=tags["digest"],
        task=tags["task"],
        kind=tags["prompt_kind"],
        backbone_sha=tags["backbone_sha"],
        metric=tags["metric"],
        validation_score=float(tags["validation_score"]),
        validation_n=int(tags["score_n"]),
        test_score=float(tags["test_score"]) if "test_score" in tags else None,
        test_n=int(tags["test_n"]) if "test_n" in tags else None,
        model_name=version.name,
        version=int(version.version),
        champion=champion,
        run_id=tags["lineage_run"],
    )
