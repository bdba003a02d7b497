"""Which prompts are in the model registry, and which is champion: decided here, in SQL."""

import re
from dataclasses import dataclass

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from pipelines.lookup import backbone_info, run_record, score_record
from pipelines.records import BackboneInfo, RunRecord, ScoreRecord
from pipelines.tables import Prompt, Registration, Run, RunPrompt, Score


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


def candidates(session: Session, prompt_sha: str) -> list[Candidate]:
    """Return the prompt once for each task that it was made for; mostly that is one."""
    made = (
        select(Run)
        .join(RunPrompt, RunPrompt.run_id == Run.id)
        .where(RunPrompt.prompt_sha == prompt_sha, RunPrompt.role == "made")
        .where(Run.status == "completed")
        .order_by(Run.ended_at.desc(), Run.id.desc())
    )
    first = {run.task: run for run in session.scalars(made)}  # the oldest comes last, and stays
    return [_candidate(session, prompt_sha, run) for run in first.values()]


def _candidate(session: Session, prompt_sha: str, run: Run) -> Candidate:
    prompt = session.get_one(Prompt, prompt_sha)
    test = newest_test(session, prompt_sha, run.task)
    return Candidate(
        prompt_sha=prompt_sha,
        task=run.task,
        kind=prompt.kind,
        tasks=tuple(prompt.tasks),
        backbone=backbone_info(session, prompt.backbone_sha),
        run=run_record(session, run),
        test=score_record(test) if test else None,
    )


def newest_test(session: Session, prompt_sha: str, task: str) -> Score | None:
    """Return the newest primary test score of a prompt on `task`."""
    query = (
        select(Score)
        .join(Run, Run.id == Score.run_id)
        .where(Score.prompt_sha == prompt_sha, Run.task == task)
        .where(Score.split == "test", Score.is_primary)
        .order_by(Run.ended_at.desc(), Run.id)
        .limit(1)
    )
    return session.scalar(query)


def pending(session: Session) -> list[str]:
    """Return the prompts that the registry lacks, or whose test score it lacks; oldest first."""
    made = (
        select(RunPrompt.prompt_sha, Run.task, func.min(Run.ended_at))
        .join(Run, Run.id == RunPrompt.run_id)
        .where(RunPrompt.role == "made", Run.status == "completed")
        .group_by(RunPrompt.prompt_sha, Run.task)
        .order_by(func.min(Run.ended_at), RunPrompt.prompt_sha)
    )
    there = {(one.prompt_sha, one.task): one for one in session.scalars(select(Registration))}
    missing: dict[str, None] = {}  # a set that keeps its order
    for sha, task, _ in session.execute(made):
        known = there.get((sha, task))
        test = newest_test(session, sha, task)
        shown = known and known.version and known.test_run_id == (test and test.run_id)
        if not shown:
            missing[sha] = None
    return list(missing)


def champions(session: Session) -> list[Champion]:
    """Return the champion of every model name."""
    query = select(Registration).where(Registration.champion).order_by(Registration.model_name)
    return [Champion(one.model_name, one.prompt_sha, one.version) for one in session.scalars(query)]


def register(session: Session, candidate: Candidate, version: int) -> None:
    """Write that the registry has `candidate` as `version`, and decide who is champion."""
    name = candidate.model_name
    # The registry counts versions from 1 again if its database was lost: an old claim is void.
    others = update(Registration).where(
        Registration.model_name == name,
        Registration.version == version,
        Registration.prompt_sha != candidate.prompt_sha,
    )
    session.execute(others.values(version=None))
    key = (candidate.prompt_sha, candidate.task)
    row = session.get(Registration, key)
    if row is None:
        row = Registration(
            prompt_sha=candidate.prompt_sha,
            task=candidate.task,
            run_id=candidate.run.id,
            model_name=name,
            champion=False,
        )
        session.add(row)
    row.version = version
    row.test_run_id = candidate.test.run_id if candidate.test else None
    session.flush()
    _choose_champion(session, row)


def _choose_champion(session: Session, challenger: Registration) -> None:
    """Make `challenger` the champion, if it is strictly better than the one there is."""
    mine = _validation(session, challenger.run_id)
    if mine is None:
        return
    same_name = Registration.model_name == challenger.model_name
    incumbent = session.scalar(select(Registration).where(same_name, Registration.champion))
    if incumbent is not None:
        if not _beats(mine, _validation(session, incumbent.run_id)):
            return
        incumbent.champion = False
        session.flush()  # before the new one, since the index allows one champion at a time
    challenger.champion = True


def _beats(mine: Score, theirs: Score | None) -> bool:
    """Compare only what is comparable: the same metric on the same examples."""
    if theirs is None or (mine.metric, mine.dataset_sha) != (theirs.metric, theirs.dataset_sha):
        return False
    return mine.value > theirs.value


def _validation(session: Session, run_id: str) -> Score | None:
    of_run = select(Score).where(Score.run_id == run_id)
    return session.scalar(of_run.where(Score.split == "validation", Score.is_primary))


def registered(
    session: Session, task: str, backbone_sha: str, version: int | None = None
) -> str | None:
    """Return the prompt for `task` that is `version` in the registry; None is the champion."""
    wanted = Registration.champion if version is None else Registration.version == version
    query = (
        select(Registration.prompt_sha)
        .join(Prompt, Prompt.sha == Registration.prompt_sha)
        .where(Registration.task == task, Prompt.backbone_sha == backbone_sha, wanted)
    )
    return session.scalar(query)


def version_of(session: Session, prompt_sha: str, task: str) -> str:
    """Return `name/version` of a prompt in the registry; empty if it is not there."""
    row = session.get(Registration, (prompt_sha, task))
    return f"{row.model_name}/{row.version}" if row and row.version else ""
