"""A job: one stage, or several trainings side by side, as values that travel between processes."""

import json
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any, Self

from pydantic import Field

from pipelines.adapt import adapt
from pipelines.baseline import baseline
from pipelines.baseline_spec import BaselineSpec
from pipelines.evaluate import evaluate
from pipelines.fanout import fan_out
from pipelines.few_shot import few_shot
from pipelines.group import train_group
from pipelines.group_spec import GroupSpec
from pipelines.learn import learn
from pipelines.services import Services
from pipelines.spec import (
    AdaptSpec,
    EvaluateSpec,
    FewShotSpec,
    LearnSpec,
    StageSpec,
    TeachSpec,
    Values,
)
from pipelines.teach import teach

Stage = Callable[[Any, list[str], Services], str]
STAGES: dict[type[StageSpec], Stage] = {
    TeachSpec: lambda spec, reads, svc: teach(spec, svc),
    LearnSpec: learn,
    AdaptSpec: lambda spec, reads, svc: adapt(spec, reads[0], svc),
    GroupSpec: lambda spec, reads, svc: train_group(spec, reads[0], svc),
    FewShotSpec: lambda spec, reads, svc: few_shot(spec, next(iter(reads), None), svc),
    BaselineSpec: lambda spec, reads, svc: baseline(spec, svc),
    EvaluateSpec: lambda spec, reads, svc: evaluate(spec, next(iter(reads), None), svc),
}
"""What runs a spec on the prompts that the job reads."""

RECIPES = {spec.__name__: spec for spec in STAGES}


class Job(Values):
    """What is to be run. Its JSON is all that a process needs, beside its own settings."""

    recipe: str
    """Which spec all of `specs` are."""
    specs: list[dict[str, Any]] = Field(min_length=1)
    """Several are trained side by side."""
    reads: list[str] = Field([])
    """Digests of the prompts that it begins from: teachers, a source, a front, one to test."""

    @classmethod
    def of(cls, specs: Sequence[StageSpec], reads: Sequence[str | None] = ()) -> Self:
        """Return the job that runs `specs` on the prompts of `reads` that are not None."""
        return cls(
            recipe=type(specs[0]).__name__,
            specs=[one.model_dump(mode="json") for one in specs],
            reads=[one for one in reads if one is not None],
        )

    @property
    def recipes(self) -> list[StageSpec]:
        """The specs, checked."""
        return [RECIPES[self.recipe].model_validate(one) for one in self.specs]

    @property
    def is_light(self) -> bool:
        """Whether it only counts rows: no process or GPU is worth it."""
        return all(one.get("method") == "majority" for one in self.specs)

    @property
    def id(self) -> str:
        """12 hex digits, the same each time that the same is asked."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return sha256(text.encode()).hexdigest()[:12]


def run(job: Job, svc: Services) -> list[str | Exception]:
    """Run a job; return the run id of each of its specs, or what it failed of.

    Raises:
        Exception: what the stage raises, where the job is one spec.
    """
    specs = job.recipes
    if len(specs) > 1:
        return fan_out(specs, next(iter(job.reads), None), svc)  # type: ignore[arg-type]
    return [STAGES[type(specs[0])](specs[0], job.reads, svc)]
