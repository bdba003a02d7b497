"""From ids, or their first digits, to rows; and from rows to records."""

import re
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import InstrumentedAttribute, Session

from pipelines.records import (
    BackboneInfo,
    Environment,
    PromptRecord,
    RunRecord,
    ScoreRecord,
)
from pipelines.tables import Backbone, Prompt, Run, RunDataset, RunPrompt, Score

SHORTEST = 6  # digits of an id that are enough to ask with
SEVERAL = 10  # matches that are worth naming


class UnknownId(LookupError):
    """Nothing has this id, or more than one thing has it."""

    def __init__(self, what: str, given: str, matches: Sequence[str] = ()) -> None:
        if matches:
            some = ", ".join(one[:16] for one in matches)
            reason = f"several {what}s begin with {given!r} ({some}): give more digits"
        elif not _is_prefix(given):
            reason = f"{given!r} is not the id of a {what}: give {SHORTEST} to 64 hex digits of it"
        else:
            reason = f"no {what} has the id {given!r}: `prompt-transfer best` prints ids"
        super().__init__(reason)


def _is_prefix(given: str) -> bool:
    return re.fullmatch(rf"[0-9a-f]{{{SHORTEST},64}}", given) is not None


def matches(session: Session, column: InstrumentedAttribute[str], given: str) -> list[str]:
    """Return the first few values of `column` that begin with `given`."""
    if not _is_prefix(given):
        return []
    found = select(column).where(column.startswith(given)).order_by(column).limit(SEVERAL)
    return list(session.scalars(found))


def find_run(session: Session, given: str) -> Run:
    """Return the run with this id or prefix, or raise UnknownId."""
    found = matches(session, Run.id, given)
    if len(found) != 1:
        raise UnknownId("run", given, found)
    return session.get_one(Run, found[0])


def find_prompt(session: Session, given: str) -> Prompt:
    """Return the prompt with this digest or prefix, or raise UnknownId."""
    found = matches(session, Prompt.sha, given)
    if len(found) != 1:
        raise UnknownId("prompt", given, found)
    return session.get_one(Prompt, found[0])


def backbone_info(session: Session, sha: str) -> BackboneInfo:
    """Return what is recorded of a backbone."""
    row = session.get_one(Backbone, sha)
    return BackboneInfo(
        sha=row.sha,
        name=row.name,
        hidden_size=row.hidden_size,
        num_layers=row.num_layers,
        num_heads=row.num_heads,
        parameters=row.parameters,
    )


def prompt_record(session: Session, row: Prompt) -> PromptRecord:
    """Return what is recorded of a prompt."""
    return PromptRecord(
        sha=row.sha,
        kind=row.kind,
        task=row.task,
        tasks=tuple(row.tasks),
        backbone=backbone_info(session, row.backbone_sha),
        num_tokens=row.num_tokens,
        hidden_size=row.hidden_size,
        rank=row.rank,
        bytes=row.bytes,
        created_at=row.created_at,
    )


def score_record(row: Score) -> ScoreRecord:
    """Return a score without its session."""
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
    )


def run_record(session: Session, row: Run) -> RunRecord:
    """Return what is recorded of a run, with all that it made and read."""
    prompts = select(RunPrompt).where(RunPrompt.run_id == row.id)
    links = list(session.scalars(prompts.order_by(RunPrompt.role, RunPrompt.prompt_sha)))
    datasets = select(RunDataset).where(RunDataset.run_id == row.id)
    reads = session.scalars(datasets.order_by(RunDataset.role, RunDataset.dataset_sha))
    scores = session.scalars(select(Score).where(Score.run_id == row.id).order_by(Score.id))
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
        prompt=next((link.prompt_sha for link in links if link.role == "made"), None),
        scores=tuple(score_record(one) for one in scores),
        reads=tuple((link.role, link.prompt_sha) for link in links if link.role != "made"),
        datasets=tuple((one.role, one.dataset_sha) for one in reads),
    )
