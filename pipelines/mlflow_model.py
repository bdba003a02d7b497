"""A prompt as one of MLflow's logged models, whose metrics can be searched and sorted."""

import json
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from mlflow import MlflowClient
from mlflow.entities import LoggedModel, Run
from mlflow.entities.model_registry import ModelVersion

from pipelines.records import ScoreRecord
from pipelines.registration import Candidate
from pipelines.run_export import PROMPT_FOLDER, metric_name

WEIGHTS = "adapter_model.safetensors"
KIND = "soft-prompt"
"""The tag `kind` of all that is ours: MLflow's own text prompts share the name space."""
DIGEST = 36  # characters of a dataset's digest that MLflow keeps


class WrongBytes(Exception):
    """MLflow has other bytes than those that the prompt was made with."""

    def __init__(self, version: ModelVersion, found: str) -> None:
        super().__init__(
            f"{version.name}/{version.version} has the bytes {found[:12]} in MLflow, not those of "
            "its prompt: `prompt-transfer doctor --fix` takes the version away and uploads it again"
        )


def check_bytes(client: MlflowClient, version: ModelVersion, candidate: Candidate) -> None:
    """See that a version's weights are the prompt's.

    Raises:
        WrongBytes: they are not, or are not there.
    """
    found = digest_of(client, version)
    if found != candidate.prompt_sha:
        raise WrongBytes(version, found or "none")


def digest_of(client: MlflowClient, version: ModelVersion) -> str | None:
    """Return the SHA-256 of the weights that MLflow has for a version; None if there are none."""
    data = weights(client, version)
    return None if data is None else sha256(data).hexdigest()


def weights(client: MlflowClient, version: ModelVersion) -> bytes | None:
    """Return the weights that MLflow has for a version; None if there are none."""
    run_id, name = str(version.run_id), f"{PROMPT_FOLDER}/{WEIGHTS}"
    if name not in {one.path for one in client.list_artifacts(run_id, PROMPT_FOLDER)}:
        return None
    with TemporaryDirectory() as folder:
        return Path(client.download_artifacts(run_id, name, folder)).read_bytes()


def logged_model(
    client: MlflowClient, experiment: str, run: Run, candidate: Candidate
) -> LoggedModel:
    """Return the logged model of a prompt; make it where there is none."""
    mine = f"tags.digest = '{candidate.prompt_sha}' AND tags.lineage_run = '{candidate.run.id}'"
    if found := client.search_logged_models([experiment], mine):
        return found[0]
    model = client.create_logged_model(
        experiment,
        name=candidate.model_name.replace(".", "-"),  # MLflow allows no dot here
        source_run_id=run.info.run_id,
        tags=facts(candidate) | {"model_name": candidate.model_name},
        model_type=KIND,
    )
    return client.finalize_logged_model(model.model_id, "READY")


def show_score(client: MlflowClient, model: LoggedModel, run: Run, candidate: Candidate) -> None:
    """Give a logged model the validation scores of its prompt, by every metric of its task."""
    primary = candidate.run.primary("validation")
    for one in candidate.run.scores:
        if primary and one.method == "prompt" and one.dataset_sha == primary.dataset_sha:
            _log(client, run.info.run_id, model.model_id, one)


def show_test_score(client: MlflowClient, version: ModelVersion, candidate: Candidate) -> None:
    """Give a version, its run and its logged model the newest test score, if there is one."""
    test = candidate.test
    if test is None or version.tags.get("test_run") == test.run_id:
        return
    model_id = version.tags["logged_model"]
    _log(client, str(version.run_id), model_id, test)
    told = {"test_score": repr(test.value), "test_n": str(test.n)}
    told |= _interval("test_interval", test)
    client.set_logged_model_tags(model_id, told)
    # Last: this one says that all of it is there.
    for key, value in (told | {"test_run": test.run_id}).items():
        client.set_model_version_tag(version.name, version.version, key, value)


def facts(candidate: Candidate) -> dict[str, str]:
    """Return what a version, and a logged model, say of themselves; MLflow's tags are text."""
    told = {
        "kind": KIND,
        "prompt_kind": candidate.kind,
        "task": candidate.task,
        "backbone": candidate.backbone.name,
        "backbone_sha": candidate.backbone.sha,
        "digest": candidate.prompt_sha,
        "lineage_run": candidate.run.id,
        "parameters": str(candidate.parameters),
    }
    if candidate.shots is not None:
        told["shots"] = str(candidate.shots)
    if score := candidate.run.primary("validation"):
        # repr keeps every bit of a float, so that ties are ties here too.
        told |= {"metric": score.metric, "validation_score": repr(score.value)}
        told |= {"validation_n": str(score.n)} | _interval("validation_interval", score)
    return told


def shown_as(split: str, metric: str) -> str:
    """Return what MLflow calls a score, such as `validation accuracy`."""
    return metric_name(f"{split} {metric}")


def _interval(name: str, score: ScoreRecord) -> dict[str, str]:
    return {name: json.dumps(score.interval)} if score.interval else {}


def _log(client: MlflowClient, run_id: str, model_id: str, score: ScoreRecord) -> None:
    # Not the metric's bare name: under that the run has its curve.
    names = [shown_as(score.split, score.metric)] + [f"{score.split}_score"] * score.is_primary
    for name in names:
        client.log_metric(
            run_id,
            name,
            score.value,
            dataset_name=score.split,  # MLflow sorts by a metric of one dataset
            dataset_digest=score.dataset_sha[:DIGEST],
            model_id=model_id,
        )
