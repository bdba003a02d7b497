"""Which prompts have a place in the model registry, and which of them MLflow has."""

import re
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select, update

from pipelines import outbox
from pipelines.columns import now
from pipelines.insertion import add_once
from pipelines.lookup import backbone_info, run_record, score_record, scored
from pipelines.recording import Recording
from pipelines.records import BackboneInfo, RunRecord, ScoreRecord
from pipelines.registry_tables import registrations
from pipelines.tables import prompts, runs, scores

ALIASES = ("champion", "challenger")
"""Standings that one version of a model has; MLflow has an alias for each."""


@dataclass(frozen=True)
class Candidate:
    """A prompt that was made for a task, with all that the registry shows of it."""

    prompt_sha: str
    task: str
    model_name: str
    standing: str
    version: int | None
    kind: str
    tasks: tuple[str, ...]
    backbone: BackboneInfo
    num_tokens: int
    hidden_size: int
    run: RunRecord
    """The first completed run that made it."""
    test: ScoreRecord | None

    @property
    def parameters(self) -> int:
        """How many numbers were trained; of an import, how many it has."""
        own = self.num_tokens * self.hidden_size
        return own if self.run.trained is None else self.run.trained

    @property
    def shots(self) -> int | None:
        """From how many examples it learned; None is a whole split."""
        return (self.run.spec.get("draw") or {}).get("shots")


@dataclass(frozen=True)
class Place:
    """The place of one prompt in the registry."""

    model_name: str
    prompt_sha: str
    task: str
    version: int | None
    standing: str


def model_name(backbone: BackboneInfo, task: str) -> str:
    """Return a name in the registry: `softprompt.<slug>-<8 hex of the backbone>.<task>`."""
    last = backbone.name.rstrip("/").rpartition("/")[2]
    slug = re.sub(r"[^a-z0-9]+", "-", last.lower()).strip("-") or "backbone"
    return f"softprompt.{slug}-{backbone.sha[:8]}.{task}"


def reserve(connection: Connection, run: Recording, task: str, backbone: BackboneInfo) -> None:
    """Give the prompt that a run made its place in the registry."""
    assert run.prompt is not None, "the caller has just written it"
    sha, name = run.prompt.sha, model_name(backbone, task)
    place = {"prompt_sha": sha, "task": task, "run_id": run.id, "model_name": name}
    add_once(connection, registrations, [place])


def close(connection: Connection, candidate: Candidate, version: int) -> None:
    """Write that MLflow has `candidate` as `version`, with the bytes that it was made with."""
    # First of all, as who crowns a champion does: else each could wait for the other.
    outbox.hold(connection, "registry", "champion", candidate.model_name)
    # MLflow counts versions from 1 again if its database was lost: an old claim is void.
    claimed = registrations.c.version == version
    others = update(registrations).where(
        registrations.c.model_name == candidate.model_name,
        claimed,
        registrations.c.prompt_sha != candidate.prompt_sha,
    )
    lost = others.values(version=None, closed_at=None).returning(registrations.c.prompt_sha)
    for sha in connection.scalars(lost).all():
        outbox.ask(connection, "registry", "prompt", sha)
    mine = update(registrations).filter_by(prompt_sha=candidate.prompt_sha, task=candidate.task)
    shown = candidate.test.run_id if candidate.test else None
    told = mine.values(version=version, closed_at=now(), test_run_id=shown)
    standing = connection.scalar(told.returning(registrations.c.standing))
    if standing != "candidate":  # which is what a version without a tag is
        outbox.ask(connection, "registry", "champion", candidate.model_name)


def reopen(connection: Connection, prompt_sha: str, task: str) -> None:
    """Write that MLflow has lost a prompt, or has it wrong; it will be told again."""
    mine = update(registrations).filter_by(prompt_sha=prompt_sha, task=task)
    connection.execute(mine.values(version=None, closed_at=None))
    outbox.ask(connection, "registry", "prompt", prompt_sha)


def candidates(connection: Connection, prompt_sha: str) -> list[Candidate]:
    """Return the prompt once for each task that it was made for; mostly that is one."""
    mine = select(registrations).filter_by(prompt_sha=prompt_sha).order_by(registrations.c.task)
    return [_candidate(connection, place) for place in connection.execute(mine).all()]


def candidate(connection: Connection, prompt_sha: str, task: str) -> Candidate:
    """Return the prompt as it was made for `task`; it must have a place."""
    mine = select(registrations).filter_by(prompt_sha=prompt_sha, task=task)
    return _candidate(connection, connection.execute(mine).one())


def _candidate(connection: Connection, place: Row[Any]) -> Candidate:
    prompt = connection.execute(select(prompts).where(prompts.c.sha == place.prompt_sha)).one()
    run = connection.execute(select(runs).where(runs.c.id == place.run_id)).one()
    return Candidate(
        prompt_sha=place.prompt_sha,
        task=place.task,
        model_name=place.model_name,
        standing=place.standing,
        version=place.version,
        kind=prompt.kind,
        tasks=tuple(prompt.tasks),
        backbone=backbone_info(connection, prompt.backbone_sha),
        num_tokens=prompt.num_tokens,
        hidden_size=prompt.hidden_size,
        run=run_record(connection, run),
        test=newest_test(connection, place.prompt_sha, place.task),
    )


def newest_test(connection: Connection, prompt_sha: str, task: str) -> ScoreRecord | None:
    """Return the newest primary test score of a prompt on `task`."""
    query = (
        scored()
        .join(runs, runs.c.id == scores.c.run_id)
        .where(scores.c.prompt_sha == prompt_sha, scores.c.task == task)
        .where(scores.c.split == "test", scores.c.is_primary)
        .order_by(runs.c.ended_at.desc(), runs.c.id)
        .limit(1)
    )
    row = connection.execute(query).first()
    return score_record(row) if row else None


def places(connection: Connection, name: str) -> list[Place]:
    """Return the places under one model name that have a standing or a version."""
    told = select(*(registrations.c[field] for field in Place.__annotations__))
    of_name = told.where(registrations.c.model_name == name)
    return [Place(*row) for row in connection.execute(of_name.order_by(registrations.c.version))]


def champion(connection: Connection, name: str) -> str | None:
    """Return the prompt that is champion of a model name."""
    first = select(registrations.c.prompt_sha).where(registrations.c.model_name == name)
    return connection.scalar(first.where(registrations.c.standing == "champion"))


def registered(
    connection: Connection, task: str, backbone_sha: str, version: int | None = None
) -> str | None:
    """Return the prompt for `task` that is `version` in the registry; None is the champion."""
    champions = registrations.c.standing == "champion"
    wanted = champions if version is None else registrations.c.version == version
    query = (
        select(registrations.c.prompt_sha)
        .join(prompts, prompts.c.sha == registrations.c.prompt_sha)
        .where(registrations.c.task == task, prompts.c.backbone_sha == backbone_sha, wanted)
    )
    return connection.scalar(query)


def version_of(connection: Connection, prompt_sha: str, task: str) -> str:
    """Return `name/version` of a prompt in the registry; empty if it is not there."""
    query = select(registrations).filter_by(prompt_sha=prompt_sha, task=task)
    row = connection.execute(query).one_or_none()
    return f"{row.model_name}/{row.version}" if row and row.version else ""
