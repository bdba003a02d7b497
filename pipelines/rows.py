"""From a request, and from what its run made, to rows."""

from dataclasses import asdict

from sqlalchemy import ColumnElement, update
from sqlalchemy.orm import Session

from pipelines.columns import now
from pipelines.database import add_once
from pipelines.lookup import find_prompt
from pipelines.records import DatasetInfo, Recording, Request, ScoreInfo
from pipelines.tables import Backbone, Dataset, Prompt, Run, RunDataset, RunPrompt, Score


def close(session: Session, which: ColumnElement[bool], status: str, error: str) -> None:
    """End the running runs among `which`, without a result."""
    running = update(Run).where(which, Run.status == "running")
    session.execute(running.values(status=status, ended_at=now(), error=error))


def add_request(session: Session, request: Request, run: Recording) -> None:
    """Write a run that begins, and all that it will read.

    Raises:
        UnknownId: it reads a prompt that lineage does not know.
    """
    if request.backbone:
        add_once(session, Backbone, "sha", **asdict(request.backbone))
    session.add(
        Run(
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
    session.flush()
    for role, datasets in request.datasets.items():
        for one in datasets:
            add_dataset(session, one)
            session.add(RunDataset(run_id=run.id, dataset_sha=one.sha, role=role))
    for reading, shas in request.reads.items():
        for sha in shas:
            found = find_prompt(session, sha)
            session.add(RunPrompt(run_id=run.id, prompt_sha=found.sha, role=reading))


def add_dataset(session: Session, dataset: DatasetInfo) -> None:
    """Write a dataset, unless it is known."""
    add_once(session, Dataset, "sha", **asdict(dataset))


def add_prompt(session: Session, request: Request, run: Recording) -> None:
    """Write the prompt that the run made, if it made one."""
    if run.prompt is None:
        return
    if request.backbone is None:
        raise ValueError(f"run {run.id[:12]} made a prompt, but its request names no backbone")
    values = {**asdict(run.prompt), "tasks": list(run.prompt.tasks)}
    of = {"task": request.task, "backbone_sha": request.backbone.sha}
    add_once(session, Prompt, "sha", **values, **of)
    session.add(RunPrompt(run_id=run.id, prompt_sha=run.prompt.sha, role="made"))


def add_score(session: Session, request: Request, run: Recording, score: ScoreInfo) -> None:
    """Write `score`, of the prompt that the run made or else of the one that it evaluated."""
    add_dataset(session, score.dataset)
    evaluated = next(iter(request.reads.get("evaluated", ())), None)
    sha = run.prompt.sha if run.prompt else evaluated
    session.add(
        Score(
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
