"""One lineage run as an MLflow run: its spec, its curves, its pictures and its prompt."""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run

from mpt.peft_format import export, unpack
from mpt.prompt import MultitaskPrompt, Prompt
from pipelines import pictures
from pipelines.registration import Candidate
from pipelines.serving import model_folder
from pipelines.serving.served import served
from pipelines.store import Store
from tasks import UnknownTask
from tasks.own.yaml_file import BadDefinition

POINTS = 200  # of a loss curve; the store keeps every one
PROMPT_FOLDER = "prompt"
# MLflow's limits for one call, and for one value.
METRICS, PARAMS, PARAM_LENGTH = 1000, 100, 6000

Points = list[tuple[int, float]]


def export_run(client: MlflowClient, experiment: str, candidate: Candidate, store: Store) -> Run:
    """Return the MLflow run of `candidate.run`; write it unless a whole one is there.

    What a crash left half-written is deleted and written again.

    Raises:
        MissingContent, CorruptContent: the store does not have the prompt as it was made.
    """
    mine = f"tags.lineage_run = '{candidate.run.id}'"
    for found in client.search_runs([experiment], mine):
        if found.info.status == "FINISHED":
            return found
        client.delete_run(found.info.run_id)
    return _write_run(client, experiment, candidate, store)


def _write_run(client: MlflowClient, experiment: str, candidate: Candidate, store: Store) -> Run:
    run = candidate.run
    data = store.get(candidate.prompt_sha)
    losses = thin(loss_curve(store, run.losses_sha))
    scored = run.primary("validation")
    metric = scored.metric if scored else "score"
    title = f"{run.stage} {run.task} {run.id[:8]}"
    tags = {"lineage_run": run.id, "stage": run.stage, "task": run.task}
    made = client.create_run(experiment, millis(run.started_at), tags, run_name=title)
    _log_numbers(client, made.info.run_id, candidate, {"loss": losses, metric: list(run.curve)})
    with TemporaryDirectory() as folder:
        pictures_of = Path(folder, "pictures")
        pictures_of.mkdir()
        prompt = unpack(data)
        if losses or run.curve:
            curve = pictures.learning_curve(title, losses, run.curve, metric)
            (pictures_of / "learning-curve.png").write_bytes(curve)
        if isinstance(prompt, MultitaskPrompt) and prompt.num_tasks > 1:
            picture = _similarity_map(title, prompt, candidate.tasks)
            (pictures_of / "task-vectors.png").write_bytes(picture)
        _write_prompt(Path(folder, PROMPT_FOLDER), prompt, candidate, store)
        client.log_artifacts(made.info.run_id, folder)
    # Only now is it whole: `export_run` deletes what has not come this far.
    client.set_terminated(made.info.run_id, "FINISHED", millis(run.ended_at or run.started_at))
    return made


def _write_prompt(folder: Path, prompt: Prompt, candidate: Candidate, store: Store) -> None:
    """Write what PEFT loads, and with it what makes it a model that MLflow loads."""
    try:
        model_folder.write(folder, [served([candidate], store)])
    except (UnknownTask, BadDefinition):  # another version's: how its rows read cannot be said
        export(prompt, folder, candidate.backbone, candidate.backbone.name)


def _log_numbers(
    client: MlflowClient, run_id: str, candidate: Candidate, curves: Mapping[str, Points]
) -> None:
    at = millis(candidate.run.started_at)
    # MLflow stores infinity as 1.8e308, which then sorts before every real score.
    metrics = [
        Metric(metric_name(name), value, at, step)
        for name, points in curves.items()
        for step, value in points
        if math.isfinite(value)
    ]
    params = [Param(name, value[:PARAM_LENGTH]) for name, value in flatten(candidate.run.spec)]
    client.log_batch(run_id, metrics[:METRICS], params[:PARAMS])
    for begin in range(METRICS, len(metrics), METRICS):
        client.log_batch(run_id, metrics[begin : begin + METRICS])
    for begin in range(PARAMS, len(params), PARAMS):
        client.log_batch(run_id, params=params[begin : begin + PARAMS])


def _similarity_map(title: str, prompt: MultitaskPrompt, names: Sequence[str]) -> bytes:
    u = [one.detach().numpy() for one in prompt.u]
    v = [one.detach().numpy() for one in prompt.v]
    return pictures.similarity_map(title, pictures.similarity(u, v), names)


def loss_curve(store: Store, losses_sha: str | None) -> Points:
    """Return the training loss by step, from 1; the store has it as a JSON list."""
    if losses_sha is None:
        return []
    return list(enumerate(json.loads(store.get(losses_sha)), start=1))


def thin(points: Points) -> Points:
    """Return at most POINTS of `points`, evenly spaced, with the first and the last."""
    if len(points) <= POINTS:
        return points
    last = len(points) - 1
    return [points[round(i * last / (POINTS - 1))] for i in range(POINTS)]


def flatten(spec: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Yield the values of a spec under dotted names; lists stay one value, as JSON."""
    for key, value in spec.items():
        name = f"{above}{key}"
        if isinstance(value, Mapping):
            yield from flatten(value, f"{name}.")
        else:
            yield metric_name(name), value if isinstance(value, str) else json.dumps(value)


def metric_name(name: str) -> str:
    """Return `name` with only the characters that MLflow takes."""
    return re.sub(r"[^\w\-. /]", "_", name, flags=re.ASCII)


def millis(time: datetime) -> int:
    """Return a time as MLflow wants it: milliseconds since 1970, UTC."""
    return int(time.timestamp() * 1000)
