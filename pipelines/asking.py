"""From a spec and what it names to a request: the identity of a run, and what it reads."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from mpt.backbone import Backbone
from pipelines.inputs import TaskInput, backbone_info
from pipelines.records import DatasetInfo, ReadRole, Request, Split, Stage
from pipelines.services import Services
from pipelines.spec import StageSpec


class SameRows(ValueError):
    """A run is to read the same rows as two tasks: no score could say whose it is."""

    def __init__(self, split: str, one: str, other: str) -> None:
        super().__init__(
            f"{one!r} and {other!r} have the same {split} rows, with the same answers: leave one "
            "of them out"
        )


def rows_once(datasets: Mapping[Split, Sequence[DatasetInfo]]) -> None:
    """Refuse two tasks that have the same rows in one role.

    Raises:
        SameRows: there are.
    """
    for split, infos in datasets.items():
        tasks: dict[str, str] = {}
        for one in infos:
            if tasks.setdefault(one.sha, one.task) != one.task:
                raise SameRows(split, tasks[one.sha], one.task)


def ask(
    stage: Stage,
    spec: StageSpec,
    task: str,
    backbone: Backbone | None,
    svc: Services,
    *,
    given: Sequence[TaskInput],
    datasets: Mapping[Split, Sequence[DatasetInfo]],
    limits: Sequence[str],
    reads: Mapping[ReadRole, Sequence[str]] | None = None,
) -> Request:
    """Return the request for `spec`; its `sha` covers the content of all that it names.

    Args:
        stage: who is asked.
        spec: the recipe.
        task: what the run is filed under.
        backbone: the frozen model; None where nothing is computed with one.
        svc: where it runs.
        given: the tasks that `spec` names, in its order.
        datasets: the examples that are read, by role.
        limits: of each task, see `TaskInput.limits`.
        reads: digests of the prompts that are read, by role.

    Raises:
        SameRows: two tasks have the same rows in one role.
    """
    rows_once(datasets)
    reads = reads or {}
    content: dict[str, Sequence[str]] = {
        split: [one.sha for one in infos] for split, infos in datasets.items()
    }
    content |= {role: list(shas) for role, shas in reads.items()}
    content["backbone"] = [backbone.digest] if backbone else []
    content["limits"] = limits
    if own := [one.task.identity for one in given if one.task.identity]:
        content["definitions"] = own
    return Request(
        stage=stage,
        sha=spec.fingerprint(content),
        spec=_recorded(spec, given),
        seed=spec.seed,
        task=task,
        environment=svc.environment,
        backbone=backbone_info(backbone, spec.backbone) if backbone else None,
        datasets=datasets,
        reads=reads,
    )


def _recorded(spec: StageSpec, given: Sequence[TaskInput]) -> dict[str, Any]:
    """Return a spec as lineage keeps it: whole, and without the place of anybody's files."""
    recipe, names = spec.model_dump(mode="json"), [one.task.name for one in given]
    recipe |= {"tasks": names} if "tasks" in recipe else {"task": names[0]}
    if own := [json.loads(one.task.definition) for one in given if one.task.definition]:
        recipe["definitions"] = own
    return recipe
