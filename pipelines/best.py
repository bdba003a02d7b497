"""Which prompt is best for a task: by validation score, never by test score."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, select

from pipelines.registration import newest_test
from pipelines.tables import prompts, registrations, run_prompts, runs, scores


@dataclass(frozen=True)
class Best:
    """The best prompt for a task, and what is known of it."""

    prompt_sha: str
    task: str
    kind: str
    backbone_sha: str
    metric: str
    validation_score: float
    validation_n: int
    test_score: float | None
    test_n: int | None
    model_name: str | None
    """Its name in the model registry; None if it is not registered yet."""
    version: int | None
    champion: bool
    run_id: str


def best(connection: Connection, task: str, backbone_sha: str | None = None) -> Best | None:
    """Return the prompt for `task` with the best primary validation score.

    Of equal scores the smaller digest wins, so that everybody gives the same answer.
    """
    query = _candidates(task).limit(1)
    if backbone_sha is not None:
        query = query.where(runs.c.backbone_sha == backbone_sha)
    found = connection.execute(query).first()
    return _answer(connection, found) if found else None


def _candidates(task: str) -> Select[Any]:
    """Select each prompt that a run made for `task`, with its score, best first."""
    place = (registrations.c.prompt_sha == prompts.c.sha) & (registrations.c.task == runs.c.task)
    # The run's task and not the prompt's: two tasks may end with the same bytes.
    return (
        select(
            prompts.c.sha,
            prompts.c.kind,
            prompts.c.backbone_sha,
            runs.c.id,
            runs.c.task,
            scores.c.metric,
            scores.c.value,
            scores.c.n,
            registrations.c.model_name,
            registrations.c.version,
            registrations.c.champion,
        )
        .join(run_prompts, run_prompts.c.prompt_sha == prompts.c.sha)
        .join(runs, runs.c.id == run_prompts.c.run_id)
        .join(scores, scores.c.run_id == runs.c.id)
        .outerjoin(registrations, place)
        .where(run_prompts.c.role == "made", runs.c.status == "completed", runs.c.task == task)
        .where(scores.c.split == "validation", scores.c.is_primary)
        .order_by(scores.c.value.desc(), prompts.c.sha, runs.c.started_at, runs.c.id)
    )


def _answer(connection: Connection, found: Row[Any]) -> Best:
    test = newest_test(connection, found.sha, found.task)
    return Best(
        prompt_sha=found.sha,
        task=found.task,
        kind=found.kind,
        backbone_sha=found.backbone_sha,
        metric=found.metric,
        validation_score=found.value,
        validation_n=found.n,
        test_score=test.value if test else None,
        test_n=test.n if test else None,
        model_name=found.model_name,
        version=found.version,
        champion=bool(found.champion),
        run_id=found.id,
    )
