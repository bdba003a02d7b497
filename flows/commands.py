"""The commands. Heavy libraries are imported where they are needed, so that a question is quick."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from flows.options import AdaptOptions, Common
from pipelines.spec import AdaptSpec, TransferSpec

Shared = Annotated[Common | None, Parameter(name="*")]


class NoTask(ValueError):
    """Nothing to adapt to."""

    def __init__(self) -> None:
        super().__init__("adapt needs a task: `prompt-transfer tasks` lists them")


def demo(*, common: Shared = None) -> None:
    """Run the main job on the built-in suite and backbone: a few minutes, no network."""
    run("demo", common=common)


def run(spec: str, /, *, common: Shared = None) -> None:
    """Run a whole transfer: teachers, source prompt, targets and their baselines.

    Parameters
    ----------
    spec
        A YAML file, or the name of a built-in one: demo, glue_small, glue.
    """
    from flows import scoreboard
    from flows.running import run_transfer

    settings = (common or Common()).use()
    report = run_transfer(load_spec(spec))
    if common and common.json:
        print_json(asdict(report))
    else:
        scoreboard.show_report(report, settings)


def learn(spec: str, /, *, common: Shared = None) -> None:
    """Train only the teachers and the source prompt of a spec, and register them.

    Parameters
    ----------
    spec
        A YAML file, or the name of a built-in one.
    """
    from flows import scoreboard
    from flows.running import run_learn

    (common or Common()).use()
    learned = run_learn(load_spec(spec))
    if common and common.json:
        print_json([asdict(one) for one in learned])
    else:
        scoreboard.show_learned(learned)


def adapt(
    *names: str,
    source: Annotated[str, Parameter(name="--from")] = "best",
    options: Annotated[AdaptOptions | None, Parameter(name="*")] = None,
    common: Shared = None,
) -> None:
    """Adapt a source prompt to one task or several, and test it on each.

    Parameters
    ----------
    names
        The target tasks.
    source
        Which source prompt: best, @champion, a version number, or a digest.
    """
    from flows import scoreboard
    from flows.running import run_adapt

    (common or Common()).use()
    values = dict(options or AdaptOptions())
    specs = [AdaptSpec.model_validate({**values, "task": name}) for name in names]
    if not specs:
        raise NoTask
    adapted = run_adapt(specs, source)
    if common and common.json:
        print_json([asdict(one) for one in adapted])
    else:
        scoreboard.show_adapted(adapted)


def tasks(name: str | None = None, /, *, show: int = 0, common: Shared = None) -> None:
    """List all tasks, or describe one.

    Parameters
    ----------
    name
        One task.
    show
        Print so many of its training rows as the model reads them.
    """
    import tasks as registry
    from flows import tables

    settings = (common or Common()).use()
    if name is None:
        found = [describe(task) for task in registry.all_tasks()]
        if common and common.json:
            print_json(found)
        else:
            tables.show_tasks(registry.all_tasks())
        return
    task = registry.get(name)
    data = registry.load(task, settings.data) if show else None
    rows = data.train[:show] if data else []
    if common and common.json:
        print_json({**describe(task), "rows": [one._asdict() for one in rows]})
    else:
        tables.show_task(task, rows, data)


def best(task: str, /, *, from_mlflow: bool = False, common: Shared = None) -> None:
    """Say which prompt is best for a task, by validation score.

    Parameters
    ----------
    task
        The task; "multitask" asks for the best source prompt.
    from_mlflow
        Ask MLflow's model registry instead of lineage.
    """
    from flows import tables
    from flows.queries import best_prompt

    (common or Common()).use()
    found = best_prompt(task, from_mlflow)
    if common and common.json:
        print_json(asdict(found))
    else:
        tables.show_best(found)


def lineage(prompt_or_run: str, /, *, common: Shared = None) -> None:
    """Print what a prompt or a run was made from, as a tree.

    Parameters
    ----------
    prompt_or_run
        A digest or a run id, or the first 6 digits of one.
    """
    from flows import tables
    from flows.settings import open_lineage
    from pipelines.ancestry import to_json

    (common or Common()).use()
    with open_lineage() as known:
        tree = known.ancestry(prompt_or_run)
    if common and common.json:
        print_json(to_json(tree))
    else:
        tables.show_tree(tree)


def load_spec(name: str) -> TransferSpec:
    """Read a spec file, or a built-in one by its name."""
    from importlib.resources import files

    built_in = Path(str(files("pipelines") / "specs" / f"{name}.yaml"))
    is_name = name.isidentifier() and built_in.is_file() and not Path(name).exists()
    return TransferSpec.load(built_in if is_name else Path(name))


def describe(task: Any) -> dict[str, Any]:
    """Return what `tasks` prints of one task."""
    return {
        "name": task.name,
        "benchmark": task.benchmark,
        "family": task.family,
        "role": task.role,
        "labels": list(task.labels),
        "metrics": list(task.metrics),
    }


def print_json(values: Any) -> None:
    """Print to stdout, which holds nothing else."""
    sys.stdout.write(json.dumps(values, indent=2, default=str) + "\n")
