"""The best prompt for a task, by what MLflow alone says."""

import json
from collections.abc import Iterator
from itertools import groupby

from mlflow import MlflowClient
from mlflow.entities import LoggedModel

from pipelines.best import Best, Wanted
from pipelines.ids import SHORTEST
from pipelines.mlflow_model import KIND, shown_as
from pipelines.mlflow_version import all_pages, find_version
from pipelines.registration import ALIASES

PAGE = 50  # models per call: mostly the first is the answer


def best_in(client: MlflowClient, experiment: str, task: str, wanted: Wanted) -> Best | None:
    """Return the first of all models of a task in the order of their validation score.

    Of equal scores the smaller digest wins, as in lineage.
    """
    metric = wanted.metric
    key = "validation_score" if metric is None else shown_as("validation", metric)
    fitting = (one for one in _ranked(client, experiment, task, key) if _fits(one, wanted, key))
    for _, equal in groupby(fitting, key=lambda one: _score(one, key)):
        first = min(equal, key=lambda one: one.tags["digest"])
        return _answer(client, first, metric or first.tags["metric"], _score(first, key))
    return None


def tasks_in(client: MlflowClient) -> list[str]:
    """Return the tasks that a registered model is for, sorted."""
    models = all_pages(client.search_registered_models)
    ours = (one.tags for one in models if one.tags.get("kind") == KIND)
    return sorted({tags["task"] for tags in ours})


def _ranked(client: MlflowClient, experiment: str, task: str, key: str) -> Iterator[LoggedModel]:
    """Yield the models of a task that have a score, best first; those without one come last."""
    quoted = task.replace("'", "")  # no task's name has a quote, and MLflow knows no escape
    ours = f"tags.kind = '{KIND}' AND tags.task = '{quoted}'"
    by = {"field_name": f"metrics.{key}", "dataset_name": "validation", "ascending": False}
    token = None
    while True:
        page = client.search_logged_models(
            [experiment], ours, max_results=PAGE, order_by=[by], page_token=token
        )
        yield from page
        token = page.token
        if not token:
            return


def _score(model: LoggedModel, key: str) -> float | None:
    of_key = [one for one in model.metrics or [] if one.key == key]
    return next((one.value for one in of_key if one.dataset_name == "validation"), None)


def _fits(model: LoggedModel, wanted: Wanted, key: str) -> bool:
    tags = model.tags
    named, sha = wanted.backbone or "", tags["backbone_sha"]
    on = named in ("", tags["backbone"]) or (len(named) >= SHORTEST and sha.startswith(named))
    small = wanted.max_parameters is None or int(tags["parameters"]) <= wanted.max_parameters
    few = wanted.shots is None or tags.get("shots") == str(wanted.shots)
    return _score(model, key) is not None and on and small and few


def _answer(client: MlflowClient, model: LoggedModel, metric: str, score: float | None) -> Best:
    assert score is not None, "what has no score does not fit"
    tags = model.tags
    version = find_version(client, tags["model_name"], tags["digest"])
    aliases = client.get_registered_model(tags["model_name"]).aliases
    shown = {int(number): alias for alias, number in aliases.items() if alias in ALIASES}
    return Best(
        task=tags["task"],
        prompt=tags["digest"],
        kind=tags["prompt_kind"],
        backbone=tags["backbone"],
        backbone_sha=tags["backbone_sha"],
        metric=metric,
        score=score,
        interval=_pair(tags.get("validation_interval")) if metric == tags["metric"] else None,
        n=int(tags["validation_n"]),
        test_score=float(tags["test_score"]) if "test_score" in tags else None,
        test_interval=_pair(tags.get("test_interval")),
        test_n=int(tags["test_n"]) if "test_n" in tags else None,
        model=tags["model_name"],
        version=int(version.version) if version else None,
        alias=shown.get(int(version.version)) if version else None,
        parameters=int(tags["parameters"]),
        shots=int(tags["shots"]) if "shots" in tags else None,
        lineage=tags["lineage_run"],
    )


def _pair(kept: str | None) -> tuple[float, float] | None:
    if kept is None:
        return None
    low, high = json.loads(kept)
    return low, high
