"""The commands that train. Heavy libraries are imported once the command line is understood."""

import os
from collections.abc import Sequence
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from pydantic import ConfigDict

from flows.options import Common, print_json
from pipelines.plan import FewShotPlan, TransferSpec
from pipelines.spec import (
    AdaptSpec,
    ContextTraining,
    Count,
    Precision,
    Seed,
    TargetTraining,
    Training,
)

Shared = Annotated[Common | None, Parameter(name="*")]


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


class AdaptOptions(TargetTraining):
    """How to adapt, from the command line."""

    model_config = ConfigDict(strict=False)  # the command line is text

    backbone: str = "nano-t5"
    precision: Precision = "float32"
    seed: Seed = 0
    steps: Count = 100
    batch_size: Count = 16


class FewShotOptions(ContextTraining):
    """How to learn from a few examples, from the command line."""

    model_config = ConfigDict(strict=False)  # the command line is text

    backbone: str = "nano-lm"
    precision: Precision = "float32"
    seed: Seed = 0
    shots: Count = 4
    """Examples in all, as many of each label as of any other."""
    per_class: bool = False
    """So many shots of each label."""
    draws: Count = 10
    """How often they are drawn anew."""
    prompt_length: Count = 10
    """Tokens of the prompt that is tuned on the same examples, for comparison."""

    def plan(self, tasks: Sequence[str]) -> FewShotPlan:
        """Return the jobs on `tasks`."""
        given = dict(self)
        context = {name: given.pop(name) for name in ContextTraining.model_fields}
        moved = ContextTraining.model_validate(context)
        tuning = Training(
            steps=max(moved.steps, 1), batch_size=moved.batch_size, validations=moved.validations,
            validation_rows=moved.validation_rows, max_length=moved.max_length,
        )  # fmt: skip
        return FewShotPlan(tasks=list(tasks), context=moved, tuning=tuning, **given)


def demo(*, common: Shared = None) -> None:
    """Run the main job on the built-in suite and backbone: a few minutes, no network."""
    # For a model this small, a job on each core is faster than one job on all of them.
    os.environ.setdefault("PROMPT_TRANSFER_WORKERS", str(os.cpu_count() or 1))
    run("demo", common=common)


def run(spec: str, /, *, common: Shared = None) -> None:
    """Run a whole transfer: teachers, source prompt, targets and their baselines.

    Parameters
    ----------
    spec
        A YAML file, or the name of a built-in one: demo, glue_small, glue.
    """
    common = common or Common()
    settings, asked = common.use(), load_spec(spec)
    from flows import scoreboard
    from flows.running import run_transfer

    report = run_transfer(asked)
    if common.json:
        print_json({**asdict(report.targets), "few_shot": [asdict(one) for one in report.few_shot]})
    else:
        scoreboard.show_transfer(report, settings)


def learn(spec: str, /, *, common: Shared = None) -> None:
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
    from flows.running import run_learn

    learned = run_learn(asked)
    if common.json:
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
    common = common or Common()
    common.use()
    _check_names("adapt", names)
    values = dict(options or AdaptOptions())
    specs = [AdaptSpec.model_validate({**values, "task": name}) for name in names]
    from flows import scoreboard
    from flows.running import run_adapt

    adapted = run_adapt(specs, source)
    if common.json:
        print_json([asdict(one) for one in adapted])
    else:
        scoreboard.show_adapted(adapted)


def few_shot(
    *names: str,
    source: Annotated[str | None, Parameter(name="--from")] = None,
    options: Annotated[FewShotOptions | None, Parameter(name="*")] = None,
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
    _check_names("few-shot", names)
    plan = (options or FewShotOptions()).plan(names)
    from flows import scoreboard
    from flows.running import run_few_shot

    report = run_few_shot(plan, source)
    if common.json:
        print_json(asdict(report))
    else:
        scoreboard.show_few_shot_report(report)


def _check_names(command: str, names: Sequence[str]) -> None:
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
