"""Prompts into MLflow's database in bulk: the rows that publishing them one by one leaves there.

They go through the tables of MLflow's own ORM. Files are left out, and with them the curves of the
loss (200 points of each run), which no search reads; a test compares all other rows.
"""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mlflow.store.model_registry.dbmodels import models as registry
from mlflow.store.tracking.dbmodels import models as tracking
from sqlalchemy import Connection, Engine, insert

from pipelines.lineage import Lineage
from pipelines.mlflow_model import DIGEST, KIND, facts, shown_as
from pipelines.records import ScoreRecord
from pipelines.registration import ALIASES, Candidate, candidate
from pipelines.registry_tables import registrations
from pipelines.run_export import PROMPT_FOLDER, flatten, metric_name, millis

CHUNK = 500  # prompts whose rows are in memory
Rows = defaultdict[Any, list[dict[str, Any]]]
"""Of each table of MLflow."""


def fill(lineage: Lineage, engine: Engine, experiment: str, artifacts: str) -> int:
    """Write all prompts that have a version; return how many.

    Args:
        lineage: where they are.
        engine: MLflow's database, which has its tables.
        experiment: the id of ours.
        artifacts: the URI of the folder that files would be in.
    """
    of_ours, names, done = int(experiment), set[str](), 0
    with engine.begin() as connection:
        for one in published(lineage):
            rows: Rows = defaultdict(list)
            _add(rows, one, of_ours, artifacts)
            if one.model_name not in names:
                names.add(one.model_name)
                _add_name(rows, one)
            _insert(connection, rows)
            done += 1
    return done


def published(lineage: Lineage) -> Iterator[Candidate]:
    """Yield each prompt that has a version in the model registry."""
    with lineage.database.reading() as connection:
        closed = registrations.c.version.is_not(None)
        places = registrations.select().where(closed).order_by(registrations.c.version)
        for place in connection.execute(places).all():
            yield candidate(connection, place.prompt_sha, place.task)


def _insert(connection: Connection, rows: Mapping[Any, list[dict[str, Any]]]) -> None:
    for table, some in rows.items():
        connection.execute(insert(table), some)


def _add(rows: Rows, one: Candidate, experiment: int, artifacts: str) -> None:
    run_id, model_id = uuid.uuid4().hex, f"m-{uuid.uuid4().hex}"
    _add_run(rows, one, run_id, experiment, artifacts)
    _add_model(rows, one, run_id, model_id, experiment=experiment, artifacts=artifacts)
    _add_version(rows, one, run_id, model_id, artifacts)


def _add_run(rows: Rows, one: Candidate, run_id: str, experiment: int, artifacts: str) -> None:
    run = one.run
    title = f"{run.stage} {run.task} {run.id[:8]}"
    began, ended = millis(run.started_at), millis(run.ended_at or run.started_at)
    rows[tracking.SqlRun].append(
        {
            "run_uuid": run_id, "name": title, "source_type": "UNKNOWN", "source_name": "",
            "entry_point_name": "", "user_id": "unknown", "status": "FINISHED",
            "start_time": began, "end_time": ended, "source_version": "",
            "lifecycle_stage": "active", "artifact_uri": f"{artifacts}/{run_id}/artifacts",
            "experiment_id": experiment,
        }
    )  # fmt: skip
    tags = {"lineage_run": run.id, "stage": run.stage, "task": run.task, "mlflow.runName": title}
    rows[tracking.SqlTag] += _pairs(tags, run_uuid=run_id)
    rows[tracking.SqlParam] += _pairs(dict(flatten(run.spec)), run_uuid=run_id)
    metric = run.primary("validation")
    curve = metric_name(metric.metric if metric else "score")
    points = [(curve, step, value) for step, value in run.curve]
    points += [(name, 0, score.value) for score in _scores(one) for name in _names(score)]
    kept = [
        {
            "key": name, "value": value, "timestamp": began, "step": step, "is_nan": False,
            "run_uuid": run_id,
        }
        for name, step, value in points
    ]  # fmt: skip
    rows[tracking.SqlMetric] += kept
    rows[tracking.SqlLatestMetric] += {one["key"]: one for one in kept}.values()


def _add_model(
    rows: Rows, one: Candidate, run_id: str, model_id: str, *, experiment: int, artifacts: str
) -> None:
    at, of_model = millis(one.run.started_at), {"model_id": model_id, "experiment_id": experiment}
    rows[tracking.SqlLoggedModel].append(
        of_model
        | {
            "name": one.model_name.replace(".", "-"), "model_type": KIND, "status": 2,
            "artifact_location": f"{artifacts}/models/{model_id}/artifacts",
            "creation_timestamp_ms": at, "last_updated_timestamp_ms": at,
            "lifecycle_stage": "active", "source_run_id": run_id,
        }
    )  # fmt: skip
    tags = facts(one) | {"model_name": one.model_name} | _tested(one)
    rows[tracking.SqlLoggedModelTag] += [
        of_model | {"tag_key": key, "tag_value": value} for key, value in tags.items()
    ]
    rows[tracking.SqlLoggedModelMetric] += [
        of_model
        | {
            "metric_name": name, "metric_timestamp_ms": at, "metric_step": 0,
            "metric_value": score.value, "run_id": run_id, "dataset_name": score.split,
            "dataset_digest": score.dataset_sha[:DIGEST],
        }
        for score in _scores(one)
        for name in _names(score)
    ]  # fmt: skip


def _add_version(rows: Rows, one: Candidate, run_id: str, model_id: str, artifacts: str) -> None:
    at, source = millis(one.run.started_at), f"{artifacts}/{run_id}/artifacts/{PROMPT_FOLDER}"
    place = {"workspace": "default", "name": one.model_name, "version": one.version}
    rows[registry.SqlModelVersion].append(
        place
        | {
            "creation_time": at, "last_updated_time": at, "current_stage": "None",
            "source": source, "storage_location": source, "run_id": run_id, "status": "READY",
        }
    )  # fmt: skip
    tags = facts(one) | {"logged_model": model_id} | _tested(one)
    tags |= {"test_run": one.test.run_id} if one.test else {}
    tags |= {"standing": one.standing} if one.standing != "candidate" else {}
    rows[registry.SqlModelVersionTag] += _pairs(tags, **place)
    if one.standing in ALIASES:
        rows[registry.SqlRegisteredModelAlias].append(place | {"alias": one.standing})


def _add_name(rows: Rows, one: Candidate) -> None:
    at = millis(one.run.started_at)
    place = {"workspace": "default", "name": one.model_name}
    # Before its versions, which point to it.
    rows[registry.SqlRegisteredModel] = [place | {"creation_time": at, "last_updated_time": at}]
    tags = {"kind": KIND, "task": one.task, "backbone_sha": one.backbone.sha}
    rows[registry.SqlRegisteredModelTag] += _pairs(tags, **place)


def _scores(one: Candidate) -> Iterator[ScoreRecord]:
    """Yield the scores that a logged model shows: on its validation rows, and the newest test."""
    primary = one.run.primary("validation")
    for score in one.run.scores:
        if primary and score.method == "prompt" and score.dataset_sha == primary.dataset_sha:
            yield score
    if one.test:
        yield one.test


def _names(score: ScoreRecord) -> list[str]:
    own = shown_as(score.split, score.metric)
    return [own, f"{score.split}_score"] if score.is_primary else [own]


def _tested(one: Candidate) -> dict[str, str]:
    if one.test is None:
        return {}
    told = {"test_score": repr(one.test.value), "test_n": str(one.test.n)}
    interval = one.test.interval
    return told | ({"test_interval": str(list(interval))} if interval else {})


def _pairs(told: Mapping[str, str], **of: Any) -> Iterable[dict[str, Any]]:
    return [of | {"key": key, "value": value} for key, value in told.items()]
