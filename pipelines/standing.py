"""The standing of registered prompts, and the moves in it: what promotion writes, in SQL."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from pipelines import outbox, registration
from pipelines.lookup import called
from pipelines.registration import Candidate
from pipelines.registry_tables import promotions, registrations
from pipelines.tables import backbones, prompts

CROWNED = ("promoted", "forced", "restored")
"""Moves by which a prompt becomes champion."""

PLACE = (registrations.c.prompt_sha == promotions.c.prompt_sha) & (
    registrations.c.task == promotions.c.task
)


class Outrun(Exception):
    """Another prompt became champion while this one was judged against the one before."""

    try_again = True

    def __init__(self, one: Candidate, winner: str | None) -> None:
        super().__init__(
            f"while prompt {one.prompt_sha[:12]} was judged, {winner[:12] if winner else 'nobody'} "
            f"became champion of {one.model_name}: try again, to be judged against that"
        )


@dataclass(frozen=True)
class Decision:
    """What is decided of a prompt: one row in lineage."""

    move: str
    before: str | None = None
    """The champion that it was judged against."""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    reason: str | None = None


@dataclass(frozen=True)
class Move:
    """One row of what happened to the standing of prompts."""

    at: datetime
    model_name: str
    task: str
    prompt_sha: str
    version: int | None
    move: str
    other_sha: str | None
    """The champion before, or the one that was not beaten."""
    gain: float | None
    p: float | None
    reason: str | None
    refused: str | None
    """Why the gate did not let it."""


def moves(connection: Connection, task: str | None = None, limit: int = 50) -> list[Move]:
    """Return the newest moves, of one task or all, newest first."""
    query = (
        select(promotions, registrations.c.model_name, registrations.c.version)
        .join(registrations, PLACE)
        .order_by(promotions.c.id.desc())
        .limit(limit)
    )
    if task is not None:
        query = query.where(promotions.c.task == task)
    return [
        Move(
            at=row.at, model_name=row.model_name, task=row.task, prompt_sha=row.prompt_sha,
            version=row.version, move=row.move, other_sha=row.other_sha,
            gain=row.evidence.get("gain"), p=row.evidence.get("p"), reason=row.reason,
            refused=row.evidence.get("refused"),
        )
        for row in connection.execute(query)
    ]  # fmt: skip


def champions(connection: Connection, task: str, backbone: str | None = None) -> list[str]:
    """Return the model names under which `task` has a champion, for one backbone or all."""
    query = (
        select(registrations.c.model_name)
        .join(prompts, prompts.c.sha == registrations.c.prompt_sha)
        .join(backbones, backbones.c.sha == prompts.c.backbone_sha)
        .where(registrations.c.task == task, registrations.c.standing == "champion")
        .order_by(registrations.c.model_name)
    )
    return list(connection.scalars(query if backbone is None else query.where(called(backbone))))


def named(connection: Connection, name: str, prompt_sha: str) -> Candidate:
    """Return a prompt as it stands under the model name `name`."""
    found = registration.candidates(connection, prompt_sha)
    return next(one for one in found if one.model_name == name)


def crown(connection: Connection, one: Candidate, decided: Decision) -> None:
    """Make a prompt champion in place of `decided.before`.

    Raises:
        Outrun: somebody else is champion by now.
    """
    # First of all: whoever else moves something under this name waits here until we are done.
    outbox.ask(connection, "registry", "champion", one.model_name)
    winner = registration.champion(connection, one.model_name)
    if winner != decided.before:
        raise Outrun(one, winner)
    stand(connection, one, "champion", decided)


def stand(connection: Connection, one: Candidate, standing: str, decided: Decision) -> None:
    """Give a prompt a standing; who had that one before loses it."""
    outbox.ask(connection, "registry", "champion", one.model_name)
    of_name = update(registrations).where(registrations.c.model_name == one.model_name)
    if standing in registration.ALIASES:
        after = "archived" if standing == "champion" else "candidate"
        holder = of_name.where(registrations.c.standing == standing)
        connection.execute(holder.values(standing=after))  # there is one of each at a time
    mine = of_name.where(registrations.c.prompt_sha == one.prompt_sha)
    connection.execute(mine.values(standing=standing))
    note(connection, one, decided)


def note(connection: Connection, one: Candidate, decided: Decision) -> None:
    """Write what was decided."""
    row = insert(promotions).values(
        prompt_sha=one.prompt_sha,
        task=one.task,
        move=decided.move,
        other_sha=decided.before,
        evidence=dict(decided.evidence),
        reason=decided.reason,
    )
    connection.execute(row)


def replaced_by(connection: Connection, name: str, sha: str) -> str | None:
    """Return the champion that `sha` replaced when it last became champion."""
    crowned = promotions.c.move.in_(CROWNED)
    query = (
        select(promotions.c.other_sha)
        .join(registrations, PLACE)
        .where(registrations.c.model_name == name, promotions.c.prompt_sha == sha, crowned)
        .order_by(promotions.c.id.desc())
        .limit(1)
    )
    return connection.scalar(query)


def leads(connection: Connection, one: Candidate) -> bool:
    """Say whether a prompt scores better than the challenger there is."""
    same = (registrations.c.model_name == one.model_name) & (
        registrations.c.standing == "challenger"
    )
    there = connection.scalar(select(registrations.c.prompt_sha).where(same))
    if there is None:
        return True
    theirs = named(connection, one.model_name, there).run.primary("validation")
    mine = one.run.primary("validation")
    return theirs is None or (mine is not None and mine.value > theirs.value)
