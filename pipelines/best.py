"""Which prompt is best for a task: by validation score, never by test score."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Connection,
    Row,
    Select,
    Subquery,
    Text,
    and_,
    func,
    literal,
    select,
    text,
    union_all,
)

from pipelines.lookup import called
from pipelines.registry_tables import registrations
from pipelines.tables import backbones, datasets, prompts, runs, scores

if TYPE_CHECKING:
    import pandas

    from pipelines.lineage import Lineage


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
BY_RANK = (scores.c.task, scores.c.value.desc(), scores.c.prompt_sha)
"""As the index of ranked scores has them."""
SHOTS = runs.c.spec["draw"]["shots"].as_integer()
# What was imported was trained elsewhere: it counts as large as it is.
PARAMETERS = func.coalesce(runs.c.trained, prompts.c.num_tokens * prompts.c.hidden_size)


def ranking(
    connection: Connection, task: str | None, wanted: Wanted = ALL, limit: int = 1
) -> list[Best]:
    """Return the `limit` best prompts for `task`, best first; None is for each task that has any.

    Of equal scores the smaller digest wins, so that everybody gives the same answer.
    """
    tasks = _all_tasks() if task is None else select(literal(task).label("task")).cte("tasks")
    rows = connection.execute(_all_of(_chosen(tasks, wanted, limit))).all()
    return [_answer(row) for row in sorted(rows, key=_order)]


def best_prompts(
    lineage: "Lineage", task: str | None = None, wanted: Wanted = ALL, limit: int = 1
) -> "pandas.DataFrame":
    """Return the best prompts for `task`, or for each task, as a table with the fields of `Best`.

    Args:
        lineage: where to look.
        task: the task; None is each task.
        wanted: which prompts may be best.
        limit: how many of each task.
    """
    import pandas

    with lineage.database.reading() as connection:
        found = ranking(connection, task, wanted, limit)
    columns = list(Best.__annotations__)
    return pandas.DataFrame([asdict(one) for one in found], columns=columns)


def _ranked(metric: str | None) -> ColumnElement[bool]:
    """Return what an index of scores has in order of their value, word for word.

    SQLite takes such an index only where the same words are asked, and not with parameters.
    """
    of_prompts = text("score.split = 'validation' AND score.method = 'prompt'")
    first = text("score.is_primary") if metric is None else scores.c.metric == metric
    return and_(of_prompts, first)


def _all_tasks() -> CTE:
    """Return the tasks that have a ranked score, each found by one look into the index.

    The first is no task, and the last is NULL.
    """
    walk = select(literal("", Text).label("task")).cte("tasks", recursive=True)
    # Not the least task: SQLite would look for that in the index of any metric.
    after = select(scores.c.task).where(_ranked(None), scores.c.task > walk.c.task)
    following = after.order_by(*BY_RANK).limit(1).correlate(walk).scalar_subquery()
    return walk.union_all(select(following).where(walk.c.task.is_not(None)))


def _chosen(tasks: CTE, wanted: Wanted, limit: int) -> Subquery:
    """Select the ids of the best scores of each of `tasks`: each is found by the index alone."""
    top = _top(wanted).where(scores.c.task == tasks.c.task).correlate(tasks)
    places = [top.offset(place).limit(1).scalar_subquery() for place in range(limit)]
    return union_all(*(select(place.label("id")).select_from(tasks) for place in places)).subquery()


def _top(wanted: Wanted) -> Select[Any]:
    query = (
        select(scores.c.id)
        .join(runs, runs.c.id == scores.c.run_id)
        .where(_ranked(wanted.metric))
        .order_by(scores.c.value.desc(), scores.c.prompt_sha, runs.c.started_at, runs.c.id)
    )
    if wanted.metric is not None:  # not the scores of each task of a prompt for several
        query = query.join(datasets, datasets.c.sha == scores.c.dataset_sha)
        query = query.where(scores.c.is_primary | (datasets.c.task == scores.c.task))
    if wanted.max_parameters is not None:
        query = query.join(prompts, prompts.c.sha == scores.c.prompt_sha)
        query = query.where(wanted.max_parameters >= PARAMETERS)
    if wanted.backbone is not None:
        query = query.join(backbones, backbones.c.sha == runs.c.backbone_sha)
        query = query.where(called(wanted.backbone))
    return query if wanted.shots is None else query.where(wanted.shots == SHOTS)


def _all_of(ids: Subquery) -> Select[Any]:
    """Select what is told of the prompts with the scores `ids`."""
    test, later = scores.alias("test"), runs.alias("tester")
    newest = (
        select(test.c.id)
        .join(later, later.c.id == test.c.run_id)
        .where(test.c.prompt_sha == scores.c.prompt_sha, test.c.task == scores.c.task)
        .where(test.c.split == "test", test.c.is_primary)
        .order_by(later.c.ended_at.desc(), later.c.id)
        .limit(1)
        .correlate(scores)
        .scalar_subquery()
    )
    tested = scores.alias("tested")
    place = (registrations.c.prompt_sha == scores.c.prompt_sha) & (
        registrations.c.task == scores.c.task
    )
    return (
        select(
            *(scores.c[name] for name in ("task", "prompt_sha", "metric", "value", "n")),
            *(scores.c[name] for name in ("low", "high", "run_id")),
            prompts.c.kind,
            backbones.c.name.label("backbone"),
            backbones.c.sha.label("backbone_sha"),
            *(tested.c[name].label(f"test_{name}") for name in ("value", "low", "high", "n")),
            *(registrations.c[name] for name in ("model_name", "version", "standing")),
            PARAMETERS.label("parameters"),
            SHOTS.label("shots"),
        )
        .join(ids, ids.c.id == scores.c.id)
        .join(runs, runs.c.id == scores.c.run_id)
        .join(prompts, prompts.c.sha == scores.c.prompt_sha)
        .join(backbones, backbones.c.sha == prompts.c.backbone_sha)
        .outerjoin(tested, tested.c.id == newest)
        .outerjoin(registrations, place)
    )


def _order(row: Row[Any]) -> tuple[Any, ...]:
    return row.task, -row.value, row.prompt_sha, row.run_id


def _answer(row: Row[Any]) -> Best:
    return Best(
        task=row.task,
        prompt=row.prompt_sha,
        kind=row.kind,
        backbone=row.backbone,
        backbone_sha=row.backbone_sha,
        metric=row.metric,
        score=row.value,
        interval=None if row.low is None else (row.low, row.high),
        n=row.n,
        test_score=row.test_value,
        test_interval=None if row.test_low is None else (row.test_low, row.test_high),
        test_n=row.test_n,
        model=row.model_name,
        version=row.version,
        alias=row.standing if row.standing in ("champion", "challenger") else None,
        parameters=row.parameters,
        shots=row.shots,
        lineage=row.run_id,
    )
