"""From ids, or their first digits, to rows; and from rows to records."""

from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Row, Select, false, select

from pipelines.ids import SEVERAL, SHOWN, UnknownId, is_prefix
from pipelines.records import (
    BackboneInfo,
    Environment,
    PromptRecord,
    RunRecord,
    ScoreRecord,
)
from pipelines.tables import backbones, datasets, prompts, run_datasets, run_prompts, runs, scores


def matches(connection: Connection, column: Column[str], given: str) -> list[str]:
    """Return the first few values of `column` that begin with `given`."""
    if not is_prefix(given):
        return []
    # Not LIKE, which no index serves on SQLite. Whatever begins so sorts before "g".
    begins = (column >= given) & (column < f"{given}g")
    return list(connection.scalars(select(column).where(begins).order_by(column).limit(SEVERAL)))


def find_run(connection: Connection, given: str) -> Row[Any]:
    """Return the run with this id or prefix, or raise UnknownId."""
    found = matches(connection, runs.c.id, given)
    if len(found) != 1:
        raise UnknownId("run", given, [one[:SHOWN] for one in found])
    return connection.execute(select(runs).where(runs.c.id == found[0])).one()


def find_prompt(connection: Connection, given: str) -> Row[Any]:
    """Return the prompt with this digest or prefix, or raise UnknownId."""
    mine = select(prompts).where(prompts.c.sha == prompt_sha(connection, given))
    return connection.execute(mine).one()


def prompt_sha(connection: Connection, given: str) -> str:
    """Return the digest of the prompt with this digest or prefix, or raise UnknownId."""
    found = matches(connection, prompts.c.sha, given)
    if len(found) != 1:
        raise UnknownId("prompt", given, [one[:SHOWN] for one in found])
    return found[0]


def called(backbone: str) -> ColumnElement[bool]:
    """Return what is true of backbones with this name, or whose digest begins so."""
    begins = (backbones.c.sha >= backbone) & (backbones.c.sha < f"{backbone}g")
    return (backbones.c.name == backbone) | (begins if is_prefix(backbone) else false())


def backbone_info(connection: Connection, sha: str) -> BackboneInfo:
    """Return what is recorded of a backbone."""
    row = connection.execute(select(backbones).where(backbones.c.sha == sha)).one()
    return BackboneInfo(
        sha=row.sha,
        name=row.name,
        hidden_size=row.hidden_size,
        num_layers=row.num_layers,
        num_heads=row.num_heads,
        parameters=row.parameters,
        architecture=row.architecture,
    )


def prompt_record(connection: Connection, row: Row[Any]) -> PromptRecord:
    """Return what is recorded of a prompt."""
    return PromptRecord(
        sha=row.sha,
        kind=row.kind,
        task=row.task,
        tasks=tuple(row.tasks),
        backbone=backbone_info(connection, row.backbone_sha),
        num_tokens=row.num_tokens,
        hidden_size=row.hidden_size,
        rank=row.rank,
        bytes=row.bytes,
        created_at=row.created_at,
    )


def scored() -> Select[Any]:
    """Select what `score_record` takes."""
    return select(scores, datasets.c.task.label("about")).join(datasets)


def score_record(row: Row[Any]) -> ScoreRecord:
    """Return what is recorded of a score."""
    return ScoreRecord(
        run_id=row.run_id,
        prompt_sha=row.prompt_sha,
        dataset_sha=row.dataset_sha,
        split=row.split,
        method=row.method,
        metric=row.metric,
        value=row.value,
        n=row.n,
        is_primary=row.is_primary,
        predictions_sha=row.predictions_sha,
        references_sha=row.references_sha,
        about=row.about,
        interval=None if row.low is None else (row.low, row.high),
    )


def run_record(connection: Connection, row: Row[Any]) -> RunRecord:
    """Return what is recorded of a run, with all that it made and read."""
    linked = select(run_prompts).where(run_prompts.c.run_id == row.id)
    links = connection.execute(linked.order_by(run_prompts.c.role, run_prompts.c.prompt_sha)).all()
    given = select(run_datasets).where(run_datasets.c.run_id == row.id)
    data = connection.execute(given.order_by(run_datasets.c.role, run_datasets.c.dataset_sha))
    of_run = scored().where(scores.c.run_id == row.id).order_by(scores.c.id)
    return RunRecord(
        id=row.id,
        stage=row.stage,
        status=row.status,
        request_sha=row.request_sha,
        attempt=row.attempt,
        spec=row.spec,
        seed=row.seed,
        task=row.task,
        backbone_sha=row.backbone_sha,
        environment=Environment(**row.environment),
        started_at=row.started_at,
        ended_at=row.ended_at,
        error=row.error,
        truncated=row.truncated,
        warnings=tuple(row.warnings),
        curve=tuple((int(step), score) for step, score in row.curve),
        losses_sha=row.losses_sha,
        trained=row.trained,
        heartbeat_at=row.heartbeat_at,
        seconds=row.seconds,
        max_steps=row.max_steps,
        batch_size=row.batch_size,
        steps=row.steps,
        resumed_sha=row.resumed_sha,
        prompt=next((link.prompt_sha for link in links if link.role == "made"), None),
        scores=tuple(score_record(one) for one in connection.execute(of_run)),
        reads=tuple((link.role, link.prompt_sha) for link in links if link.role != "made"),
        datasets=tuple((one.role, one.dataset_sha) for one in data),
    )
