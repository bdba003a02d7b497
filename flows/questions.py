"""The commands that only ask. They answer at once: no torch, no MLflow, no Prefect, no pydantic."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter, validators

from flows.options import Common, print_json

if TYPE_CHECKING:
    from pipelines.capability import Method
    from tasks import Task

Shared = Annotated[Common | None, Parameter(name="*")]


def tasks(
    name: str | None = None,
    /,
    *,
    show: Annotated[int, Parameter(validator=validators.Number(gte=0))] = 0,
    stats: bool = False,
    common: Shared = None,
) -> None:
    """List all tasks, or describe one.

    Parameters
    ----------
    name
        One task, or the YAML file of one of your own.
    show
        Print so many of its training rows as the model reads them; of a test set, test rows.
    stats
        Count the rows and labels, and score the commonest answer, of all tasks that --data has.
    """
    import tasks as registry
    from flows import tables
    from tasks.describe import definition

    common = common or Common()
    settings = common.use()
    if stats:
        _count([registry.find(name)] if name else registry.all_tasks(), settings.data, common.json)
        return
    if name is None:
        found = registry.all_tasks()
        if common.json:
            print_json([describe(task) for task in found])
        else:
            tables.show_tasks(found)
        return
    task = registry.find(name)
    data = registry.load(task, settings.data) if show else None
    rows = (data.train or data.test)[:show] if data else []
    if common.json:
        said = {"definition": definition(task), "rows": [one._asdict() for one in rows]}
        print_json(describe(task) | said)
    else:
        tables.show_task(task, rows, data)


def _count(chosen: Sequence["Task"], folder: Path | None, as_json: bool) -> None:
    from flows import tables
    from tasks.stats import measure

    with tables.counting([task.name for task in chosen]) as names:
        found = [measure(task, folder) for task, _ in zip(chosen, names, strict=True)]
    if as_json:
        print_json([asdict(one) for one in found])
    else:
        tables.show_stats(found)


def methods(*, common: Shared = None) -> None:
    """Say what each method trains, and on which backbones it works."""
    from flows import tables
    from pipelines.capability import BASELINES, OURS

    common = common or Common()
    common.use()
    found = [*OURS, *BASELINES.values()]
    if common.json:
        print_json([describe_method(one) for one in found])
    else:
        tables.show_methods(found)


def describe_method(method: "Method") -> dict[str, Any]:
    """Return what `methods` prints of one method."""
    cells = {family: cell._asdict() for family, cell in method.cells.items()}
    facts = asdict(method)
    return {name: facts[name] for name in facts if name not in {"refused", "limits"}} | {
        "works_on": cells
    }


def describe(task: "Task") -> dict[str, Any]:
    """Return what `tasks` prints of one task."""
    from tasks.describe import origin
    from tasks.variants import variants

    return {
        "name": task.name,
        "benchmark": task.benchmark,
        "family": task.family,
        "role": task.role,
        "labels": list(task.labels),
        "metrics": list(task.metrics),
        "source": origin(task.source),
        "variants": list(variants(task)),
        "trained_on": list(task.trained_on),
        "licence": task.licence,
        "citation": task.citation,
    }
