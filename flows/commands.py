"""The commands that train. Heavy libraries are imported once the command line is understood."""

import os
from collections.abc import Sequence
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from flows.options import Common, print_json
from flows.place import Place, fulfil
from flows.recipes import AdaptOptions, FewShotOptions
from pipelines.plan import TransferSpec

Shared = Annotated[Common | None, Parameter(name="*")]
Placed = Annotated[Place | None, Parameter(name="*")]


class NoSpec(LookupError):
    """A spec is asked for that is neither a file nor built in."""

    def __init__(self, name: str, built_in: list[str]) -> None:
        super().__init__(
            f"there is no spec {name!r}: give a YAML file, or one of the built-in "
            f"{', '.join(built_in)}"
        )


class NoTask(ValueError):
    """Nothing to adapt to, or the same thing twice."""

    def __init__(self, command: str, problem: str) -> None:
        super().__init__(f"{command} {problem}: `prompt-transfer tasks` lists them")


def demo(*, common: Shared = None) -> None:
    """Run the main job on the built-in suite and backbone: a few minutes, no network."""
    # For a model this small, a job on each core is faster than one job on all of them.
    os.environ.setdefault("PROMPT_TRANSFER_WORKERS", str(os.cpu_count() or 1))
    run("demo", common=common)


def run(spec: str, /, *, place: Placed = None, common: Shared = None) -> None:
    """Run a whole transfer: teachers, source prompt, targets and their baselines.

    Parameters
    ----------
    spec
        A YAML file, or the name of a built-in one: demo, glue_small, glue.
    """
    common = common or Common()
    settings, asked = common.use(), load_spec(spec)
    from flows import scoreboard
    from flows.orders import order_transfer
    from flows.running import told_transfer

    outcome = fulfil(order_transfer(asked), place, common)
    if outcome is None:
        return
    report = told_transfer(asked, outcome)
    if common.json:
        print_json({**asdict(report.targets), "few_shot": [asdict(one) for one in report.few_shot]})
    else:
        scoreboard.show_transfer(report, settings)


def learn(spec: str, /, *, place: Placed = None, common: Shared = None) -> None:
    """Train only the teachers and the source prompt of a spec, and register them.

    Parameters
    ----------
    spec
        A YAML file, or the name of a built-in one.
    """
    common = common or Common()
    common.use()
    asked = load_spec(spec)
    from flows import scoreboard
    from flows.orders import order_learn
    from flows.running import told_learn

    outcome = fulfil(order_learn(asked), place, common)
    if outcome is None:
        return
    learned = told_learn(asked, outcome)
    if common.json:
        print_json([asdict(one) for one in learned])
    else:
        scoreboard.show_learned(learned)


def adapt(
    *names: str,
    source: Annotated[str, Parameter(name="--from")] = "best",
    together: bool = False,
    options: Annotated[AdaptOptions | None, Parameter(name="*")] = None,
    place: Placed = None,
    common: Shared = None,
) -> None:
    """Adapt a source prompt to one task or several, and test it on each.

    Parameters
    ----------
    names
        The target tasks.
    source
        Which source prompt: best, @champion, a version number, or a digest.
    together
        Train one prompt that all tasks share, with a task vector for each.
    """
    common, options = common or Common(), options or AdaptOptions()
    common.use()
    check_names("adapt", names)
    if together:
        _adapt_together(options, names, source, place, common)
        return
    specs = options.specs(names)
    from flows import scoreboard
    from flows.orders import order_adapt
    from flows.running import told_adapt

    outcome = fulfil(order_adapt(specs, source), place, common)
    if outcome is None:
        return
    adapted = told_adapt(outcome)
    if common.json:
        print_json([asdict(one) for one in adapted])
    else:
        scoreboard.show_adapted(adapted)


def _adapt_together(
    options: AdaptOptions, names: Sequence[str], source: str, place: Place | None, common: Common
) -> None:
    if len(names) < 2:
        raise NoTask("adapt --together", "needs two tasks or more")
    spec = options.group(names)
    from flows import scoreboard
    from flows.orders import order_adapt_group
    from flows.running import told_adapt_group

    outcome = fulfil(order_adapt_group(spec, source), place, common)
    if outcome is None:
        return
    group = told_adapt_group(outcome)
    if common.json:
        print_json(asdict(group))
    else:
        scoreboard.show_together(group)


def few_shot(
    *names: str,
    source: Annotated[str | None, Parameter(name="--from")] = None,
    options: Annotated[FewShotOptions | None, Parameter(name="*")] = None,
    place: Placed = None,
    common: Shared = None,
) -> None:
    """Learn tasks from a few examples each: CPT, beside its controls on the same draws.

    Parameters
    ----------
    names
        The tasks.
    source
        A source prompt to put before the examples too: best, @champion, a version or a digest.
    """
    common = common or Common()
    common.use()
    check_names("few-shot", names)
    plan = (options or FewShotOptions()).plan(names)
    from flows import scoreboard
    from flows.orders import order_few_shot
    from flows.running import told_few_shot

    outcome = fulfil(order_few_shot(plan, source), place, common)
    if outcome is None:
        return
    report = told_few_shot(outcome)
    if common.json:
        print_json(asdict(report))
    else:
        scoreboard.show_few_shot_report(report)


def check_names(command: str, names: Sequence[str]) -> None:
    """Refuse no task at all, and the same one twice."""
    if not names:
        raise NoTask(command, "needs a task")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise NoTask(command, f"names {', '.join(twice)} twice")


def _is_there(name: str) -> bool:
    try:
        return Path(name).exists()
    except (OSError, ValueError):  # no file can have such a name
        return False


def load_spec(name: str) -> TransferSpec:
    """Read a spec file, or a built-in one by its name.

    Raises:
        NoSpec: there is neither.
        BadSpec: it is not YAML, or a value in it is wrong.
    """
    folder = Path(str(files("pipelines") / "specs"))
    built_in = {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    if _is_there(name):
        return TransferSpec.load(Path(name))
    if name not in built_in:
        raise NoSpec(name, list(built_in))
    return TransferSpec.load(built_in[name])
