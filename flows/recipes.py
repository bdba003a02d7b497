"""Recipes from flags: what `adapt` and `few-shot` train, with the command line's own defaults."""

from collections.abc import Sequence

from pydantic import ConfigDict

from pipelines.group_spec import GroupSpec
from pipelines.plan import FewShotPlan
from pipelines.spec import (
    AdaptSpec,
    ContextTraining,
    Count,
    Precision,
    Seed,
    TargetTraining,
    Training,
)


class NotAlone(ValueError):
    """A value is given for a training of one task, and has a meaning for several."""

    def __init__(self, option: str) -> None:
        super().__init__(f"{option} says how tasks are mixed: give --together too, or leave it out")


class AdaptOptions(TargetTraining):
    """How to adapt, from the command line."""

    model_config = ConfigDict(strict=False)  # the command line is text

    backbone: str = "nano-t5"
    precision: Precision = "float32"
    seed: Seed = 0
    steps: Count = 100
    batch_size: Count = 16
    sampling_cap: Count | None = None
    """With --together, a task counts for at most so many rows [default: 262144]."""

    def specs(self, tasks: Sequence[str]) -> list[AdaptSpec]:
        """Return the recipe of each of `tasks`, alone.

        Raises:
            NotAlone: a value is given that only a group has.
        """
        if self.sampling_cap:
            raise NotAlone("--sampling-cap")
        given = self.model_dump(exclude={"sampling_cap"})
        return [AdaptSpec.model_validate({**given, "task": task}) for task in tasks]

    def group(self, tasks: Sequence[str]) -> GroupSpec:
        """Return the recipe of `tasks` together."""
        return GroupSpec.model_validate(
            {**self.model_dump(exclude_none=True), "tasks": list(tasks)}
        )


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
