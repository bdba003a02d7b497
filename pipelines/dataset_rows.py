"""From datasets to rows: the examples that a run reads, what rendered them, how they were drawn."""

from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import Connection

from pipelines.contents import templates
from pipelines.insertion import add_once
from pipelines.records import DatasetInfo, DrawInfo, TemplateInfo
from pipelines.tables import datasets, draws


def add_datasets(connection: Connection, given: Iterable[DatasetInfo]) -> None:
    """Write datasets, what rendered them and how they were drawn, where that is not known."""
    every = [one for read in given for one in _with_origin(read)]
    add_once(connection, templates, [_template(one.template) for one in every if one.template])
    add_once(connection, datasets, [_dataset(one) for one in every])
    add_once(connection, draws, [_draw(one.sha, one.draw) for one in every if one.draw])


def _with_origin(dataset: DatasetInfo) -> Iterator[DatasetInfo]:
    """Yield a dataset, and that which it was drawn from."""
    yield dataset
    if dataset.draw:
        yield from _with_origin(dataset.draw.of)


def _template(one: TemplateInfo) -> dict[str, Any]:
    return {"sha": one.sha, "task": one.task, "definition": dict(one.definition)}


def _dataset(one: DatasetInfo) -> dict[str, Any]:
    plain = {name: value for name, value in vars(one).items() if name not in {"draw", "template"}}
    return plain | {"template_sha": one.template and one.template.sha}


def _draw(sha: str, drawn: DrawInfo) -> dict[str, Any]:
    how = {"seed": drawn.seed, "shots": drawn.shots, "per_class": drawn.per_class}
    return how | {"of_sha": drawn.of.sha, "dataset_sha": sha}
