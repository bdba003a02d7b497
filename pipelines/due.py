"""Which adaptations are due: what the champion source prompts have not been adapted to yet.

SQL alone says so. Whoever asks because of an event, and whoever asks by the clock, asks this.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, exists, select

from pipelines.lookup import called
from pipelines.records import MULTITASK
from pipelines.registry_tables import promotions, registrations
from pipelines.standing import CROWNED
from pipelines.tables import backbones, prompts, run_datasets, run_prompts, runs

TRIED = ("completed", "running", "failed")
"""What is under way is not asked for twice; what has failed is a person's to look at."""


@dataclass(frozen=True)
class Attempt:
    """A run of a recipe from a champion."""

    run_id: str
    began: datetime
    definitions: list[Any] | None
    """What its user's own tasks said; None where it had none."""


@dataclass(frozen=True)
class Target:
    """A recipe that adapts source prompts, and the champion that it is to adapt."""

    recipe: Mapping[str, Any]
    """As lineage has it: with the names of tasks, and `definitions` of a user's own."""
    source: str
    """Digest of the champion."""
    attempt: Attempt | None
    """The last one from this champion; None where there is none."""

    @property
    def tasks(self) -> list[str]:
        """The names of its tasks."""
        named: list[str] = self.recipe.get("tasks") or [self.recipe["task"]]
        return named


def targets(connection: Connection) -> list[Target]:
    """Return the recipe of each target that descends from a champion source prompt, now or before.

    A target that was archived is left out, unless the same recipe made another that was not.
    """
    found: dict[tuple[str, str], Row[Any]] = {}
    tried: dict[tuple[str, str], Attempt] = {}
    for row in connection.execute(_adaptations()):
        key = row.champion, identity(row.spec)
        if row.status == "completed" and row.standing != "archived":
            found.setdefault(key, row)
        if row.source == row.champion and row.status in TRIED:
            tried[key] = _attempt(row)
    return [Target(row.spec, key[0], tried.get(key)) for key, row in found.items()]


def last_attempt(connection: Connection, recipe: Mapping[str, Any], source: str) -> Attempt | None:
    """Return the last run of a recipe from one source prompt that counts."""
    task = recipe["task"]
    read = (run_prompts.c.run_id == runs.c.id) & (run_prompts.c.role == "source")
    query = (
        select(runs.c.id, runs.c.started_at, runs.c.spec)
        .join(run_prompts, read)
        .where(run_prompts.c.prompt_sha == source, runs.c.task == task, runs.c.status.in_(TRIED))
        .order_by(runs.c.started_at.desc(), runs.c.id)
    )
    wanted = identity(recipe)
    same = (one for one in connection.execute(query) if identity(one.spec) == wanted)
    row = next(same, None)
    return _attempt(row) if row else None


def champion_source(connection: Connection, backbone: str) -> str | None:
    """Return the digest of the champion source prompt for a backbone, by its name or digest."""
    query = (
        select(registrations.c.prompt_sha)
        .join(prompts, prompts.c.sha == registrations.c.prompt_sha)
        .join(backbones, backbones.c.sha == prompts.c.backbone_sha)
        .where(registrations.c.task == MULTITASK, registrations.c.standing == "champion")
        .where(called(backbone))
        .order_by(backbones.c.created_at.desc())
    )
    return connection.scalar(query)


def rows_of(connection: Connection, run_id: str) -> set[tuple[str, str]]:
    """Return role and digest of each dataset that a run read."""
    read = select(run_datasets.c.role, run_datasets.c.dataset_sha).filter_by(run_id=run_id)
    return {(role, sha) for role, sha in connection.execute(read)}


def identity(recipe: Mapping[str, Any]) -> str:
    """Return what is equal for the same recipe, whatever its user's own tasks say by now."""
    values = {name: value for name, value in recipe.items() if name != "definitions"}
    return json.dumps(values, sort_keys=True)


def _attempt(row: Row[Any]) -> Attempt:
    return Attempt(row.id, row.started_at, row.spec.get("definitions"))


def _adaptations() -> Select[Any]:
    """Select all adaptations of champions, now or before, oldest first."""
    today, ever = registrations.alias("today"), registrations.alias("ever")
    read, made = run_prompts.alias("read"), run_prompts.alias("made")
    target = registrations.alias("target")
    crowned = exists().where(
        promotions.c.prompt_sha == ever.c.prompt_sha,
        promotions.c.task == ever.c.task,
        promotions.c.move.in_(CROWNED),
    )
    return (
        select(
            today.c.prompt_sha.label("champion"),
            read.c.prompt_sha.label("source"),
            *(runs.c[name] for name in ("id", "spec", "status", "started_at")),
            target.c.standing,
        )
        .select_from(today)
        .join(ever, ever.c.model_name == today.c.model_name)
        .join(read, (read.c.prompt_sha == ever.c.prompt_sha) & (read.c.role == "source"))
        .join(runs, (runs.c.id == read.c.run_id) & (runs.c.stage == "adapt"))
        .outerjoin(made, (made.c.run_id == runs.c.id) & (made.c.role == "made"))
        .outerjoin(
            target,
            (target.c.prompt_sha == made.c.prompt_sha) & (target.c.task == runs.c.task),
        )
        .where(today.c.task == MULTITASK, today.c.standing == "champion", crowned)
        .order_by(runs.c.started_at, runs.c.id)
    )
