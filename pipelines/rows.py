"""From a request, and from what its run made, to rows."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, insert, literal, select, update

from pipelines import outbox, registration
from pipelines.columns import now
from pipelines.contents import artifacts, templates
from pipelines.database import add_once
from pipelines.edges import EDGE_OF, edges
from pipelines.lookup import find_prompt
from pipelines.recording import Recording, ScoreInfo
from pipelines.records import DatasetInfo, Request, TemplateInfo
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

ANCESTORS = ("teacher", "source", "front")
"""What a prompt may be to the run that makes another one of it."""


def close(
    connection: Connection, which: ColumnElement[bool], status: str, error: str, **others: Any
) -> list[str]:
    """End the running runs among `which`, without a result; return their ids."""
    running = update(runs).where(which, runs.c.status == "running")
    ended = running.values(status=status, ended_at=now(), error=error, **others)
    return list(connection.scalars(ended.returning(runs.c.id)))


def is_running(connection: Connection, run: Recording) -> bool:
    """Say whether a run has not ended; nobody else can end it before this transaction does."""
    mine = select(runs.c.id).where(runs.c.id == run.id, runs.c.status == "running")
    return connection.scalar(mine.with_for_update()) is not None


def complete(connection: Connection, request: Request, run: Recording) -> None:
    """Write all that a run made, and then end it: after that the database refuses more."""
    add_prompt(connection, request, run)
    for score in run.scores:
        add_score(connection, request, run, score)
    for sha in request.reads.get("evaluated", ()):
        outbox.ask(connection, "registry", "prompt", sha)  # to show its new score
    if run.adapter_sha:
        _derive(connection, run, run.adapter_sha, "adapter", ["exported"])
    for kept, kind in ((run.losses_sha, "losses"), (run.resumed_sha, "checkpoint")):
        if kept:
            add_once(connection, artifacts, sha=kept, kind=kind)
    mine = update(runs).where(runs.c.id == run.id)
    done = mine.values(
        status="completed",
        ended_at=now(),
        truncated=run.truncated,
        warnings=run.warnings,
        curve=[list(point) for point in run.curve],
        losses_sha=run.losses_sha,
        trained=run.trained,
        seconds=run.seconds,
        steps=run.steps,
        resumed_sha=run.resumed_sha,
    )
    connection.execute(done)


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
            heartbeat_at=now(),
            seconds=0.0,
            max_steps=request.spec.get("steps"),
            batch_size=request.spec.get("batch_size"),
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
    drawn, template = dataset.draw, dataset.template
    values = asdict(replace(dataset, draw=None, template=None))
    del values["draw"], values["template"]
    if template:
        add_template(connection, template)
    add_once(connection, datasets, **values, template_sha=template and template.sha)
    if drawn:
        add_dataset(connection, drawn.of)
        add_once(
            connection, draws, dataset_sha=dataset.sha, of_sha=drawn.of.sha, seed=drawn.seed,
            shots=drawn.shots, per_class=drawn.per_class,
        )  # fmt: skip


def add_template(connection: Connection, template: TemplateInfo) -> None:
    """Write how rows are rendered, unless it is known."""
    what = {"task": template.task, "definition": dict(template.definition)}
    add_once(connection, templates, sha=template.sha, **what)


def add_prompt(connection: Connection, request: Request, run: Recording) -> None:
    """Write the prompt that the run made, if it made one."""
    if run.prompt is None:
        return
    if request.backbone is None:
        raise ValueError(f"run {run.id[:12]} made a prompt, but its request names no backbone")
    values = {**asdict(run.prompt), "tasks": list(run.prompt.tasks)}
    of = {"task": request.task, "backbone_sha": request.backbone.sha}
    _derive(connection, run, run.prompt.sha, "prompt", ANCESTORS)
    add_once(connection, prompts, **values, **of)
    _link_prompt(connection, run, run.prompt.sha, "made")
    registration.reserve(connection, run, request.task, request.backbone)


def _derive(
    connection: Connection, run: Recording, sha: str, kind: str, roles: Sequence[str]
) -> None:
    """Write that a run made `sha` of the prompts that it read in `roles`."""
    add_once(connection, artifacts, sha=sha, kind=kind)
    role = case(EDGE_OF, value=run_prompts.c.role)
    parents = select(literal(sha), run_prompts.c.prompt_sha, role, run_prompts.c.run_id).where(
        run_prompts.c.run_id == run.id, run_prompts.c.role.in_(roles)
    )
    connection.execute(insert(edges).from_select(edges.c.keys(), parents))


def add_score(connection: Connection, request: Request, run: Recording, score: ScoreInfo) -> None:
    """Write `score`, of the prompt that the run made or else of the one that it evaluated."""
    add_dataset(connection, score.dataset)
    if score.references_sha:
        add_once(connection, artifacts, sha=score.references_sha, kind="references")
    evaluated = next(iter(request.reads.get("evaluated", ())), None)
    by_prompt = run.prompt.sha if run.prompt else evaluated
    sha = by_prompt if score.method == "prompt" else None
    if score.predictions_sha:
        add_once(connection, artifacts, sha=score.predictions_sha, kind="predictions")
        if sha:
            answered = {"child_sha": score.predictions_sha, "parent_sha": sha, "run_id": run.id}
            add_once(connection, edges, **answered, role="evaluated_by")
    connection.execute(
        insert(scores).values(
            run_id=run.id,
            task=request.task,
            prompt_sha=sha,
            dataset_sha=score.dataset.sha,
            split=score.dataset.split,
            method=score.method,
            metric=score.metric,
            value=score.value,
            n=score.n,
            is_primary=score.is_primary,
            predictions_sha=score.predictions_sha,
            references_sha=score.references_sha,
            low=score.interval and score.interval[0],
            high=score.interval and score.interval[1],
        )
    )
