"""Which source prompt to start from, for a task that no prompt was made for.

As in Vu et al. 2022 (SPoT, arXiv 2110.07904) the nearest tasks decide. A new task has no vector
yet, so its rows stand for it: it is as near to a source task as their rows are alike, or, by way of
a target that was adapted from the same prompt, as near as rows and task vectors together say.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from sqlalchemy import Connection, func, select
from torch import Tensor
from torch.nn.functional import cosine_similarity

from pipelines.best import ALL, Best, Wanted, ranking
from pipelines.edges import edges
from pipelines.prompts import multitask_prompt
from pipelines.records import GROUP, MULTITASK
from pipelines.services import Services
from pipelines.tables import prompts, scores
from tasks import Example
from tasks.similarity import ROWS, similarities

CANDIDATES = 20  # source prompts that are compared, best first
EVIDENCE = 5  # tasks that are named for each


@dataclass(frozen=True)
class Near:
    """Why a source prompt suits: one of its tasks, and how near the new task is to it."""

    source_task: str
    similarity: float
    """From -1 to 1: of the rows, or by way of `target` the product of rows and vectors."""
    target: str | None = None
    """A known target between the two; None where the rows are compared directly."""
    rows: float = 0.0
    """How alike the rows of the new task and of `target` are."""
    vectors: float = 0.0
    """The cosine of the task vectors of `target` and of the source task."""
    score: float | None = None
    """What the best prompt for `target` that was adapted from this one reached on validation."""
    scratch: float | None = None
    """What the best vanilla prompt for `target` reached there."""


@dataclass(frozen=True)
class Suggestion:
    """A source prompt to start from."""

    prompt: str
    model: str | None
    version: int | None
    backbone: str
    tasks: tuple[str, ...]
    affinity: float
    """How near the nearest of its tasks is."""
    score: float
    """Its own mean validation score; of equally near prompts the better one comes first."""
    evidence: tuple[Near, ...]
    """The nearest first."""


@dataclass(frozen=True)
class Suggested:
    """What is suggested for a task that is new here."""

    task: str
    sources: tuple[Suggestion, ...]
    """Most promising first."""
    skipped: tuple[str, ...]
    """Known tasks whose rows are not here, so that they could not be compared."""


class Target(NamedTuple):
    """A target that was adapted from a source prompt."""

    task: str
    prompt: str
    score: float


def suggest(task: str, svc: Services, wanted: Wanted = ALL) -> Suggested:
    """Say which source prompts to start from.

    Args:
        task: the new task; its training rows are looked at.
        svc: where prompts and rows are.
        wanted: for which backbone.

    Raises:
        UnknownTask, BadDefinition, ValueError: the task is unknown, or its rows are not there.
    """
    given = svc.task(task)
    with svc.lineage.database.asking() as reader:
        sources = ranking(reader, MULTITASK, wanted, CANDIDATES)
    with svc.lineage.database.reading() as connection:
        known = {one.prompt: _targets(connection, one.prompt) for one in sources}
        scratch = _scratch(connection, {one.task for some in known.values() for one in some})
    owned = {one.prompt: svc.lineage.get_prompt(one.prompt).tasks for one in sources}
    names = {name for some in owned.values() for name in some} | scratch.keys()
    rows, skipped = _rows(sorted(names - {given.task.name}), svc)
    alike = similarities(given.examples("train", ROWS), rows)
    found = []
    for one in sources:
        near = _near(one.prompt, owned[one.prompt], known[one.prompt], alike, scratch, svc=svc)
        found.append(_suggestion(one, owned[one.prompt], near))
    found.sort(key=lambda one: (-one.affinity, -one.score))
    return Suggested(given.task.name, tuple(found), tuple(skipped))


def _targets(connection: Connection, source: str) -> list[Target]:
    """Return what was adapted from a source prompt, each task with the best prompt."""
    adapted = (
        select(scores.c.task, scores.c.prompt_sha, scores.c.value)
        .join(edges, edges.c.child_sha == scores.c.prompt_sha)
        .where(edges.c.parent_sha == source, edges.c.role == "adapted_from")
        .where(scores.c.split == "validation", scores.c.is_primary, scores.c.task != GROUP)
        .order_by(scores.c.value, scores.c.prompt_sha.desc())
    )
    return list({row.task: Target(*row) for row in connection.execute(adapted)}.values())


def _scratch(connection: Connection, names: Iterable[str]) -> dict[str, float | None]:
    """Return what the best vanilla prompt for each task reached; None where there is none."""
    best: dict[str, float | None] = {}
    for name in sorted(names):
        vanilla = (
            select(func.max(scores.c.value))
            .join(prompts, prompts.c.sha == scores.c.prompt_sha)
            .where(scores.c.task == name, prompts.c.kind == "teacher")
            .where(scores.c.split == "validation", scores.c.is_primary)
        )
        best[name] = connection.scalar(vanilla)
    return best


def _rows(names: Sequence[str], svc: Services) -> tuple[dict[str, list[Example]], list[str]]:
    found, skipped = {}, []
    for name in names:
        try:
            found[name] = svc.task(name).examples("train", ROWS)
        except (LookupError, ValueError):  # of a user's own task lineage has no rows
            skipped.append(name)
    return found, skipped


def _near(
    source: str,
    tasks: Sequence[str],
    targets: Sequence[Target],
    alike: Mapping[str, float],
    scratch: Mapping[str, float | None],
    *,
    svc: Services,
) -> list[Near]:
    """Return how near a new task is to each task of a source prompt that can be told of."""
    near = [Near(name, alike[name]) for name in tasks if name in alike]
    mean, vectors = _task_vectors(source, svc)
    for one in targets:
        if one.task not in alike or one.task in tasks:
            continue
        cosines = cosine_similarity(vectors, _vector(one.prompt, mean, svc), dim=1)
        best = int(cosines.argmax())
        rows, between = alike[one.task], float(cosines[best])
        near.append(
            Near(
                tasks[best], rows * between, one.task, rows, between,
                score=one.score, scratch=scratch[one.task],
            )
        )  # fmt: skip
    return sorted(near, key=lambda found: -found.similarity)


def _task_vectors(source: str, svc: Services) -> tuple[Tensor, Tensor]:
    """Return the mean prompt of a source's tasks, [P * H], and each one's way from it, [K, P * H].

    P* is common to all of them, and says nothing of any.
    """
    prompt = multitask_prompt(source, svc)
    whole = torch.stack([prompt.task(k).detach().flatten() for k in range(prompt.num_tasks)])
    mean = whole.mean(dim=0)
    return mean, whole - mean


def _vector(target: str, mean: Tensor, svc: Services) -> Tensor:
    return multitask_prompt(target, svc).task(0).detach().flatten() - mean


def _suggestion(one: Best, tasks: Sequence[str], near: Sequence[Near]) -> Suggestion:
    return Suggestion(
        prompt=one.prompt,
        model=one.model,
        version=one.version,
        backbone=one.backbone,
        tasks=tuple(tasks),
        affinity=max((found.similarity for found in near), default=0.0),
        score=one.score,
        evidence=tuple(near[:EVIDENCE]),
    )
