"""The recipes of a group: targets that share one prompt, and what becomes of each."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from pipelines.spec import Count, StageSpec, TargetTraining


class GroupSpec(StageSpec, TargetTraining):
    """Adapt a source prompt to several target tasks that share it, each with its own u and v."""

    tasks: list[str] = Field(min_length=2)
    sampling_cap: Count = 2**18
    """A task counts for at most so many rows in the mixture (T5's examples-proportional)."""

    @model_validator(mode="after")
    def _names_once(self) -> Self:
        if twice := sorted({name for name in self.tasks if self.tasks.count(name) > 1}):
            raise ValueError(f"tasks names {', '.join(twice)} twice: leave one out")
        return self


class MemberSpec(StageSpec):
    """Take one task's prompt out of a group's."""

    task: str
    place: Annotated[int, Field(ge=0)]
    """Its number among the tasks of the group."""
    validation_rows: Count | None = None
    max_length: Count | None = None
