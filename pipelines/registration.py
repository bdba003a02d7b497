"""Which prompts are in the model registry, and which is champion: decided here, in SQL."""

import re
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, func, select, update

from pipelines.database import add_once
from pipelines.lookup import backbone_info, run_record, score_record
from pipelines.records import BackboneInfo, RunRecord, ScoreRecord
from pipelines.tables import prompts, registrations, run_prompts, runs, scores


@dataclass(frozen=True)
class Candidate:
    """A prompt that was made for a task, with all that the registry shows of it."""

    prompt_sha: str
    task: str
    kind: str
    tasks: tuple[str, ...]
    backbone: BackboneInfo
    run: RunRecord
    """The first completed run that made it."""
    test: ScoreRecord | None

    @property
    def model_name(self) -> str:
        """Its name in the registry: `softprompt.<slug>-<8 hex of the backbone>.<task>`."""
        last = self.backbone.name.rstrip("/").rpartition("/")[2]
        slug = re.sub(r"[^a-z0-9]+", "-", last.lower()).strip("-") or "backbone"
        return f"softprompt.{slug}-{self.backbone.sha[:8]}.{self.task}"


@dataclass(frozen=True)
class Champion:
    """The best prompt of one model name, by SQL."""

    model_name: str
    prompt_sha: str
    version: int | None


def candidates(connection: Connection, prompt_sha: str) -> list[Candidate]:
    """Return the prompt once for each task that it was made for; mostly that is one."""
    made = (
        select(runs)
        .join(run_prompts, run_prompts.c.run_id == runs.c.id)
        .where(run_prompts.c.prompt_sha == prompt_sha, run_prompts.c.role == "made")
        .where(runs.c.status == "completed")
        .order_by(runs.c.ended_at.desc(), runs.c.id.desc())
    )
    first = {run.task: run for run in connection.execute(made)}  # the oldest comes last, and stays
    return [_candidate(connection, prompt_sha, run) for run in first.values()]


def _candidate(connection: Connection, prompt_sha: str, run: Row[Any]) -> Candidate:
    prompt = connection.execute(select(prompts).where(prompts.c.sha == prompt_sha)).one()
    return Candidate(
        prompt_sha=prompt_sha,
        task=run.task,
        kind=prompt.kind,
        tasks=tuple(prompt.tasks),
        backbone=backbone_info(connection, prompt.backbone_sha),
        run=run_record(connection, run),
        test=newest_test(connection, prompt_sha, run.task),
    )


def newest_test(connection: Connection, prompt_sha: str, task: str) -> ScoreRecord | None:
    """Return the newest primary test score of a prompt on `task`."""
    query = (
        select(scores)
        .join(runs, runs.c.id == scores.c.run_id)
        .where(scores.c.prompt_sha == prompt_sha, runs.c.task == task)
        .where(scores.c.split == "test", scores.c.is_primary)
        .order_by(runs.c.ended_at.desc(), runs.c.id)
        .limit(1)
    )
    row = connection.execute(query).first()
    return score_record(row) if row else None


def pending(connection: Connection) -> list[str]:
    """Return the prompts that the registry lacks, or whose test score it lacks; oldest first."""
    made = (
        select(run_prompts.c.prompt_sha, runs.c.task, func.min(runs.c.ended_at))
        .join(runs, runs.c.id == run_prompts.c.run_id)
        .where(run_prompts.c.role == "made", runs.c.status == "completed")
        .group_by(run_prompts.c.prompt_sha, runs.c.task)
        .order_by(func.min(runs.c.ended_at), run_prompts.c.prompt_sha)
    )
    there = {(one.prompt_sha, one.task): one for one in connection.execute(select(registrations))}
    missing: dict[str, None] = {}  # a set that keeps its order
    for sha, task, _ in connection.execute(made):
        known = there.get((sha, task))
        test = newest_test(connection, sha, task)
        shown = known and known.version and known.test_run_id == (test and test.run_id)
        if not shown:
            missing[sha] = None
    return list(missing)


def champions(connection: Connection) -> list[Champion]:
    """Return the champion of every model name."""
    told = select(registrations.c.model_name, registrations.c.prompt_sha, registrations.c.version)
    query = told.where(registrations.c.champion).order_by(registrations.c.model_name)
    return [Champion(*row) for row in connection.execute(query)]


def register(connection: Connection, candidate: Candidate, version: int) -> None:
    """Write that the registry has `candidate` as `version`, and decide who is champion."""
    name = candidate.model_name
    # The registry counts versions from 1 again if its database was lost: an old claim is void.
    others = update(registrations).where(
        registrations.c.model_name == name,
        registrations.c.version == version,
        registrations.c.prompt_sha != candidate.prompt_sha,
    )
    connection.execute(others.values(version=None))
    key = {"prompt_sha": candidate.prompt_sha, "task": candidate.task}
    place = {"run_id": candidate.run.id, "model_name": name, "champion": False}
    add_once(connection, registrations, **key, **place)
    shown = candidate.test.run_id if candidate.test else None
    told = update(registrations).filter_by(**key).values(version=version, test_run_id=shown)
    _choose_champion(connection, connection.execute(told.returning(registrations)).one())


def _choose_champion(connection: Connection, challenger: Row[Any]) -> None:
    """Make `challenger` the champion, if it is strictly better than the one there is."""
    mine = _validation(connection, challenger.run_id)
    if mine is None:
        return
    same_name = registrations.c.model_name == challenger.model_name
    champion = select(registrations.c.run_id).where(same_name, registrations.c.champion)
    incumbent = connection.scalar(champion)
    if incumbent is not None and not _beats(mine, _validation(connection, incumbent)):
        return
    of_name = update(registrations).where(same_name)
    # Two statements, since the index allows one champion at a time.
    connection.execute(of_name.values(champion=False))
    its_own = registrations.c.prompt_sha == challenger.prompt_sha
    connection.execute(of_name.where(its_own).values(champion=True))


def _beats(mine: ScoreRecord, theirs: ScoreRecord | None) -> bool:
    """Compare only what is comparable: the same metric on the same examples."""
    if theirs is None or (mine.metric, mine.dataset_sha) != (theirs.metric, theirs.dataset_sha):
        return False
    return mine.value > theirs.value


def _validation(connection: Connection, run_id: str) -> ScoreRecord | None:
    of_run = select(scores).where(scores.c.run_id == run_id)
    primary = of_run.where(scores.c.split == "validation", scores.c.is_primary)
    row = connection.execute(primary).one_or_none()
    return score_record(row) if row else None


def registered(
    connection: Connection, task: str, backbone_sha: str, version: int | None = None
) -> str | None:
    """Return the prompt for `task` that is `version` in the registry; None is the champion."""
    champion = registrations.c.champion
    wanted = champion if version is None else registrations.c.version == version
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
