"""From a request, and from what its run made, to rows."""

from dataclasses import asdict, replace

from sqlalchemy import ColumnElement, Connection, insert, update

from pipelines.columns import now
from pipelines.database import add_once
from pipelines.lookup import find_prompt
from pipelines.records import DatasetInfo, Recording, Request, ScoreInfo
from pipelines.tables import (
    backbones,
    datasets,
    draws,
    prompts,
    run_datasets,
    run_prompts,
    runs,
    scores,
)


def close(connection: Connection, which: ColumnElement[bool], status: str, error: str) -> None:
    """End the running runs among `which`, without a result."""
    running = update(runs).where(which, runs.c.status == "running")
    connection.execute(running.values(status=status, ended_at=now(), error=error))


def add_request(connection: Connection, request: Request, run: Recording) -> None:
    """Write a run that begins, and all that it will read.

    Raises:
        UnknownId: it reads a prompt that lineage does not know.
    """
    if request.backbone:
        add_once(connection, backbones, **asdict(request.backbone))
    connection.execute(
        insert(runs).values(
            id=run.id,
            stage=request.stage,
            status="running",
            request_sha=request.sha,
            attempt=run.attempt,
            spec=dict(request.spec),
            seed=request.seed,
            task=request.task,
            backbone_sha=request.backbone and request.backbone.sha,
            environment=asdict(request.environment),
            started_at=now(),
        )
    )
    for split, infos in request.datasets.items():
        for one in infos:
            add_dataset(connection, one)
            link = insert(run_datasets).values(run_id=run.id, dataset_sha=one.sha, role=split)
            connection.execute(link)
    for role, shas in request.reads.items():
        for sha in shas:
            _link_prompt(connection, run, find_prompt(connection, sha).sha, role)


def _link_prompt(connection: Connection, run: Recording, sha: str, role: str) -> None:
    connection.execute(insert(run_prompts).values(run_id=run.id, prompt_sha=sha, role=role))


def add_dataset(connection: Connection, dataset: DatasetInfo) -> None:
    """Write a dataset, and how it was drawn, unless they are known."""
    drawn = dataset.draw
    values = asdict(replace(dataset, draw=None))
    del values["draw"]
    add_once(connection, datasets, **values)
    if drawn:
        add_dataset(connection, drawn.of)
        add_once(
            connection, draws, dataset_sha=dataset.sha, of_sha=drawn.of.sha, seed=drawn.seed,
            shots=drawn.shots, per_class=drawn.per_class,
        )  # fmt: skip


def add_prompt(connection: Connection, request: Request, run: Recording) -> None:
    """Write the prompt that the run made, if it made one."""
    if run.prompt is None:
        return
    if request.backbone is None:
        raise ValueError(f"run {run.id[:12]} made a prompt, but its request names no backbone")
    values = {**asdict(run.prompt), "tasks": list(run.prompt.tasks)}
    of = {"task": request.task, "backbone_sha": request.backbone.sha}
    add_once(connection, prompts, **values, **of)
    _link_prompt(connection, run, run.prompt.sha, "made")


def add_score(connection: Connection, request: Request, run: Recording, score: ScoreInfo) -> None:
    """Write `score`, of the prompt that the run made or else of the one that it evaluated."""
    add_dataset(connection, score.dataset)
    evaluated = next(iter(request.reads.get("evaluated", ())), None)
    sha = run.prompt.sha if run.prompt else evaluated
    connection.execute(
        insert(scores).values(
            run_id=run.id,
            prompt_sha=sha if score.method == "prompt" else None,
            dataset_sha=score.dataset.sha,
            split=score.dataset.split,
            method=score.method,
            metric=score.metric,
            value=score.value,
            n=score.n,
            is_primary=score.is_primary,
            predictions_sha=score.predictions_sha,
        )
    )
