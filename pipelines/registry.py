"""Prompts in MLflow's model registry: a copy of what SQL says, for people and servers to find.

Everything here may be repeated, and may crash between any two lines: publishing again finds what
is there and adds what is missing. A prompt's place is reserved in SQL as its run ends; then its
bytes go up, and their digest is checked; then the place is closed with the version's number.
"""

from functools import cached_property
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion

from pipelines import registration
from pipelines.best import ALL, Best, Wanted
from pipelines.lineage import Lineage
from pipelines.locks import hold
from pipelines.lookup import find_prompt
from pipelines.mlflow_best import best_in, tasks_in
from pipelines.mlflow_model import (
    check_bytes,
    facts,
    logged_model,
    show_score,
    show_test_score,
)
from pipelines.mlflow_server import RegistryDown, experiment_id, mlflow_errors, open_client
from pipelines.mlflow_version import create_name, find_version, show_standings
from pipelines.outbox import Item
from pipelines.registration import Candidate
from pipelines.relay import Delivered, deliver
from pipelines.run_export import PROMPT_FOLDER, export_run
from pipelines.store import Store

PUBLISH_WAIT = 120.0  # seconds that one publisher waits for another


class Registry:
    """The model registry at `tracking_uri`.

    Args:
        lineage: what is published, and where the champion is chosen.
        store: where the prompts' bytes are.
        tracking_uri: a database (`sqlite:///file`) or a server (`http://...`).
        artifacts: the folder for files, where `tracking_uri` is a database.
    """

    def __init__(self, lineage: Lineage, store: Store, tracking_uri: str, artifacts: Path) -> None:
        self.lineage = lineage
        self.store = store
        self.uri = tracking_uri
        self._artifacts = artifacts

    @cached_property
    def _client(self) -> MlflowClient:
        return open_client(self.uri, self.lineage.database.engine, self.lineage.locks)

    @property
    def _experiment(self) -> str:
        return experiment_id(self._client, self.uri, self._artifacts)

    def publish(self, prompt_sha: str) -> list[str]:
        """Publish a prompt; return `name/version` for each task it was made for.

        Raises:
            UnknownId: lineage does not know the prompt.
            RegistryDown: MLflow failed; the prompt stays due.
            MissingContent, CorruptContent: the store does not have the prompt as it was made.
            WrongBytes: MLflow does not give back what it was given.
            Busy: another process has been publishing for minutes.
        """
        with self.lineage.database.reading() as connection:
            sha = find_prompt(connection, prompt_sha).sha
            candidates = registration.candidates(connection, sha)
        client = self._client
        # Looking for a version and making it are two calls: one publisher at a time.
        with hold(self.lineage.database.engine, self.lineage.locks, "registry", PUBLISH_WAIT):
            return [self._publish(client, one) for one in candidates]

    def publish_pending(self) -> Delivered:
        """Tell MLflow all that it was not told yet: prompts, test scores and standings.

        Raises:
            RegistryDown: MLflow failed; what it was not told stays due.
            Busy: another process has been publishing for minutes.
        """
        return deliver(self.lineage, "registry", self._tell, down=RegistryDown)

    def best(self, task: str, wanted: Wanted = ALL) -> Best | None:
        """Return the best prompt for `task` by what MLflow says, without asking lineage.

        It is equal to the first of `Lineage.best`, once everything is published.

        Raises:
            RegistryDown: MLflow failed.
        """
        with mlflow_errors():
            return best_in(self._client, self._experiment, task, wanted)

    def best_of_all(self, wanted: Wanted = ALL) -> list[Best]:
        """Return the best prompt for each task that has any, by what MLflow says.

        Raises:
            RegistryDown: MLflow failed.
        """
        with mlflow_errors():
            found = (
                best_in(self._client, self._experiment, task, wanted)
                for task in tasks_in(self._client)
            )
            return [one for one in found if one is not None]

    def _tell(self, item: Item) -> list[str]:
        if item.what == "prompt":
            return self.publish(item.subject)
        with self.lineage.database.reading() as connection:
            places = registration.places(connection, item.subject)
        with mlflow_errors():
            show_standings(self._client, item.subject, places)
        return []

    def _publish(self, client: MlflowClient, candidate: Candidate) -> str:
        with mlflow_errors():
            found = find_version(client, candidate.model_name, candidate.prompt_sha)
            version = found or self._upload(client, candidate)
            check_bytes(client, version, candidate)
            show_test_score(client, version, candidate)
        with self.lineage.database.writing() as connection:
            registration.close(connection, candidate, int(version.version))
        return f"{candidate.model_name}/{version.version}"

    def _upload(self, client: MlflowClient, candidate: Candidate) -> ModelVersion:
        run = export_run(client, self._experiment, candidate, self.store)
        model = logged_model(client, self._experiment, run, candidate)
        show_score(client, model, run, candidate)
        create_name(client, candidate)
        source = f"{run.info.artifact_uri}/{PROMPT_FOLDER}"
        return client.create_model_version(
            candidate.model_name,
            source,
            run.info.run_id,
            facts(candidate) | {"logged_model": model.model_id},
        )
