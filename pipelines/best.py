"""Which prompt is best for a task: by validation score, never by test score."""

from dataclasses import dataclass
from typing import Any

from pipelines.ids import is_prefix
from pipelines.reader import Reader


@dataclass(frozen=True)
class Best:
    """The best prompt for a task, and what is known of it."""

    task: str
    prompt: str
    """Its digest."""
    kind: str
    backbone: str
    backbone_sha: str
    metric: str
    score: float
    """On the validation split, in points; prompts are ranked by it."""
    interval: tuple[float, float] | None
    """Of 95 %, for the sampling of examples."""
    n: int
    test_score: float | None
    test_interval: tuple[float, float] | None
    test_n: int | None
    model: str | None
    """Its name in the model registry."""
    version: int | None
    """None if MLflow does not have it yet."""
    alias: str | None
    """champion or challenger, if it is that."""
    parameters: int
    """Numbers that were trained; of an import, numbers of the prompt."""
    shots: int | None
    """Examples that it learned from (of each label, if drawn so); None is a whole split."""
    lineage: str
    """The run that made it."""


@dataclass(frozen=True)
class Wanted:
    """Which prompts may be best.

    Args:
        metric: what is compared; None is the one that tables report.
        backbone: the only one, by its name, or 6 or more digits of its digest.
        max_parameters: so many numbers may have been trained, no more.
        shots: only what learned from so many examples.
    """

    metric: str | None = None
    backbone: str | None = None
    max_parameters: int | None = None
    shots: int | None = None


ALL = Wanted()
# SQLite takes an index of some rows only where the same words are asked, and not with parameters.
OF_PROMPTS = "score.split = 'validation' AND score.method = 'prompt'"
SHOTS = "CAST(run.spec -> 'draw' ->> 'shots' AS INTEGER)"
# What was imported was trained elsewhere: it counts as large as it is.
PARAMETERS = "COALESCE(run.trained, prompt.num_tokens * prompt.hidden_size)"

TOP = """
SELECT score.id
FROM score
JOIN run ON run.id = score.run_id
{conditions} AND score.task = {task}
ORDER BY score.value DESC, score.prompt_sha, run.started_at, run.id
LIMIT {limit}
"""
"""The scores of the best prompts for one task."""

# Each task is found by one look into an index. Whether a score is primary is not asked: SQLite
# would take the other index, and ask each row.
TASKS = f"""
WITH RECURSIVE tasks (task) AS (
    SELECT MIN(score.task) FROM score WHERE {OF_PROMPTS}
    UNION ALL
    SELECT (
        SELECT MIN(score.task) FROM score WHERE {OF_PROMPTS} AND score.task > tasks.task
    )
    FROM tasks
    WHERE tasks.task IS NOT NULL
)
"""

TOLD = f"""
SELECT
    score.task, score.prompt_sha, score.metric, score.value, score.n, score.low, score.high,
    score.run_id, prompt.kind, backbone.name AS backbone, backbone.sha AS backbone_sha,
    tested.value AS test_value, tested.low AS test_low, tested.high AS test_high,
    tested.n AS test_n, registration.model_name, registration.version, registration.standing,
    {PARAMETERS} AS parameters, {SHOTS} AS shots
FROM ({{ids}}) AS chosen
JOIN score ON score.id = chosen.id
JOIN run ON run.id = score.run_id
JOIN prompt ON prompt.sha = score.prompt_sha
JOIN backbone ON backbone.sha = prompt.backbone_sha
LEFT JOIN score AS tested ON tested.id = (
    SELECT test.id
    FROM score AS test
    JOIN run AS later ON later.id = test.run_id
    WHERE test.prompt_sha = score.prompt_sha AND test.task = score.task
        AND test.split = 'test' AND test.is_primary
    ORDER BY later.ended_at DESC, later.id
    LIMIT 1
)
LEFT JOIN registration
    ON registration.prompt_sha = score.prompt_sha AND registration.task = score.task
"""
"""What is told of the prompts with some scores."""


def ranking(reader: Reader, task: str, wanted: Wanted = ALL, limit: int = 1) -> list[Best]:
    """Return the `limit` best prompts for `task`, best first.

    Of equal scores the smaller digest wins, so that everybody gives the same answer.
    """
    top = TOP.format(conditions=_conditions(wanted), task=":task", limit=":limit")
    return _answers(reader, TOLD.format(ids=top), wanted, task=task, limit=limit)


def best_of_all(reader: Reader, wanted: Wanted = ALL) -> list[Best]:
    """Return the best prompt for each task that has any, in the order of their names."""
    top = TOP.format(conditions=_conditions(wanted), task="tasks.task", limit=1)
    return _answers(reader, TASKS + TOLD.format(ids=f"SELECT ({top}) AS id FROM tasks"), wanted)


def _answers(reader: Reader, sql: str, wanted: Wanted, **more: Any) -> list[Best]:
    found = reader.ask(sql, **_binds(wanted), **more).records()
    return [_answer(row) for row in sorted(found, key=_order)]


def _conditions(wanted: Wanted) -> str:
    """Return which scores count, after the tables that say so."""
    joins, asked = [], [OF_PROMPTS]
    if wanted.metric is None:
        asked.append("score.is_primary")
    else:  # not the scores of each task of a prompt for several
        joins.append("JOIN dataset ON dataset.sha = score.dataset_sha")
        asked.append("score.metric = :metric AND (score.is_primary OR dataset.task = score.task)")
    if wanted.max_parameters is not None:
        joins.append("JOIN prompt ON prompt.sha = score.prompt_sha")
        asked.append(f"{PARAMETERS} <= :max_parameters")
    if wanted.backbone is not None:
        joins.append("JOIN backbone ON backbone.sha = run.backbone_sha")
        asked.append(f"(backbone.name = :backbone{_or_its_digits(wanted.backbone)})")
    if wanted.shots is not None:
        asked.append(f"{SHOTS} = :shots")
    return f"{' '.join(joins)} WHERE {' AND '.join(asked)}"


def _or_its_digits(backbone: str) -> str:
    begins = " OR (backbone.sha >= :backbone AND backbone.sha < :beyond)"
    return begins if is_prefix(backbone) else ""


def _binds(wanted: Wanted) -> dict[str, Any]:
    given = {name: value for name, value in vars(wanted).items() if value is not None}
    return given | ({"beyond": f"{wanted.backbone}g"} if wanted.backbone else {})


def _order(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["task"], -row["value"], row["prompt_sha"], row["run_id"]


def _answer(row: dict[str, Any]) -> Best:
    return Best(
        task=row["task"],
        prompt=row["prompt_sha"],
        kind=row["kind"],
        backbone=row["backbone"],
        backbone_sha=row["backbone_sha"],
        metric=row["metric"],
        score=row["value"],
        interval=None if row["low"] is None else (row["low"], row["high"]),
        n=row["n"],
        test_score=row["test_value"],
        test_interval=None if row["test_low"] is None else (row["test_low"], row["test_high"]),
        test_n=row["test_n"],
        model=row["model_name"],
        version=row["version"],
        alias=row["standing"] if row["standing"] in ("champion", "challenger") else None,
        parameters=row["parameters"],
        shots=row["shots"],
        lineage=row["run_id"],
    )
