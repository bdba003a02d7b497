"""The command that trains other methods, to compare prompts with."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

from cyclopts import Parameter
from pydantic import ConfigDict

from flows.commands import Shared, check_names
from flows.options import Common, print_json
from pipelines.baseline_spec import BaselineSpec
from pipelines.capability import BASELINES, OPTIONS, BaselineMethod
from pipelines.spec import Budget, Count, Positive, Precision, Seed


class NoMethodHas(ValueError):
    """A flag is given that belongs to none of the methods."""

    def __init__(self, option: str, methods: Sequence[str]) -> None:
        flag = option.replace("_", "-")
        super().__init__(
            f"--{flag} is given, and {', '.join(methods)} has none: leave it out, or see "
            "`prompt-transfer methods`"
        )


class BaselineOptions(Budget):
    """How to train baselines, from the command line."""

    model_config = ConfigDict(strict=False)  # the command line is text

    backbone: str = "nano-t5"
    precision: Precision = "float32"
    seed: Seed = 0
    steps: Count = 100
    batch_size: Count = 16
    learning_rate: Positive | None = None
    """None is each method's own."""
    prompt_length: Count | None = None
    """Tokens of a prompt or a prefix."""
    adapter_length: Count | None = None
    """LLaMA-Adapter's tokens in each layer."""
    adapter_layers: Count | None = None
    """LLaMA-Adapter's layers, from the top."""
    rank: Count | None = None
    """LoRA's."""
    test_rows: Count | None = None
    """The first so many test rows; None is all."""

    def specs(self, tasks: Sequence[str], methods: Sequence[BaselineMethod]) -> list[BaselineSpec]:
        """Return what to run: each method on each task, with the options that it has.

        Raises:
            NoMethodHas: an option is given that none of `methods` has.
        """
        given = {name: value for name, value in dict(self).items() if value is not None}
        own = {name: given.pop(name) for name in OPTIONS if name in given}
        for name in own:
            if not any(name in BASELINES[method].options for method in methods):
                raise NoMethodHas(name, methods)
        return [
            BaselineSpec.model_validate({
                **given, "task": task, "method": method,
                **{name: own[name] for name in BASELINES[method].options if name in own},
            })
            for task in tasks
            for method in methods
        ]  # fmt: skip


def baseline(
    *names: str,
    method: list[BaselineMethod],
    options: Annotated[BaselineOptions | None, Parameter(name="*")] = None,
    common: Shared = None,
) -> None:
    """Train other methods on one task or several, each with the same budget, and test them.

    Parameters
    ----------
    names
        The tasks.
    method
        Which; again for another. `prompt-transfer methods` says what each does.
    """
    common = common or Common()
    common.use()
    check_names("baseline", names)
    specs = (options or BaselineOptions()).specs(names, list(dict.fromkeys(method)))
    from flows import scoreboard
    from flows.baseline_scores import run_baselines

    scores = run_baselines(specs)
    if common.json:
        print_json([asdict(one) for one in scores])
    else:
        scoreboard.show_baselines(scores)
