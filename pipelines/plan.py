"""What a flow runs: several recipes at once, as one checked value. YAML and flags become this."""

from pathlib import Path
from typing import Self

from pydantic import Field, ValidationError, model_validator

from pipelines.spec import (
    AdaptSpec,
    ContextTraining,
    Count,
    Draw,
    EvaluateSpec,
    FewShotSpec,
    LearnSpec,
    Method,
    Precision,
    Seed,
    SourceTraining,
    TargetTraining,
    TeachSpec,
    Training,
    Values,
    explain,
)
from pipelines.spec_file import BadSpec, read
from tasks.find import is_file


class FewShotPlan(Values):
    """Few-shot jobs on some tasks: CPT and its controls, each on every draw."""

    backbone: str = "nano-lm"
    precision: Precision = "float32"
    tasks: list[str] = Field(min_length=1)
    shots: Count = 4
    per_class: bool = False
    draws: Count = 10
    """Draws 0, 1, ... of each task."""
    seed: Seed = 0
    """Of every training."""
    context: ContextTraining = ContextTraining()
    prompt_length: Count = 10
    """Of the prompt that prompt tuning trains on the same examples."""
    tuning: Training = Training(steps=30, batch_size=8, validations=1)
    """How it is trained; it should cost no less than `context`."""

    @model_validator(mode="after")
    def _names_once(self) -> Self:
        if twice := sorted({name for name in self.tasks if self.tasks.count(name) > 1}):
            raise ValueError(f"tasks names {', '.join(twice)} twice: leave one out")
        return self

    def draw(self, number: int) -> Draw:
        """Return draw `number`."""
        return Draw(shots=self.shots, per_class=self.per_class, seed=number)

    def context_spec(self, task: str, number: int, steps: int) -> FewShotSpec:
        """Return the recipe of a context on one draw; 0 steps is in-context learning."""
        asked = {**dict(self.context), "steps": steps, "task": task, "draw": self.draw(number)}
        return FewShotSpec.model_validate(asked | self._common())

    def tuning_spec(self, task: str, number: int) -> TeachSpec:
        """Return the recipe of prompt tuning on one draw."""
        asked = {"task": task, "draw": self.draw(number), "prompt_length": self.prompt_length}
        return TeachSpec.model_validate({**dict(self.tuning), **asked} | self._common())

    def evaluate_spec(self, task: str, number: int, method: Method) -> EvaluateSpec:
        """Return the recipe of one test score."""
        # Two draws may hold the same examples: each is tested as itself.
        asked = {"task": task, "method": method, "max_length": self.context.max_length}
        return EvaluateSpec.model_validate(asked | self._common() | {"seed": number})

    def _common(self) -> dict[str, str | int]:
        return {"backbone": self.backbone, "precision": self.precision, "seed": self.seed}


class TransferSpec(Values):
    """A whole transfer: teachers, the source prompt, and every target, for each seed."""

    name: str = Field("transfer", pattern=r"^[a-z0-9][a-z0-9_-]{0,60}$")
    backbone: str = "nano-t5"
    precision: Precision = "float32"
    seeds: list[Seed] = Field([0], min_length=1)
    prompt_length: Count = 100
    sources: list[str] = Field(min_length=1)
    targets: list[str] = Field([])
    teach: Training
    learn: SourceTraining
    adapt: TargetTraining
    """Its steps, rows and rates are the baseline's too: prompt tuning from scratch."""
    few_shot: FewShotPlan | None = None
    """Few-shot jobs beside the targets, on a backbone of their own."""

    @model_validator(mode="after")
    def _names_once(self) -> Self:
        for field in ("sources", "targets", "seeds"):
            values: list[object] = getattr(self, field)
            twice = {str(value) for value in values if values.count(value) > 1}
            if twice:
                raise ValueError(f"{field} names {', '.join(sorted(twice))} twice: leave one out")
        start, own = self.adapt.start, any(map(is_file, self.sources))
        # What a task of one's own is called stands in its file: `pipelines.check` reads it.
        if not own and start not in {"average", "identity", *self.sources}:
            raise ValueError(
                f"adapt.start is {start!r}: give average, identity or one of the sources"
            )
        return self

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a YAML file.

        Raises:
            BadSpec: it is not there, not YAML, or a value in it is wrong; the message says which.
        """
        values = read(path)
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise BadSpec(path, explain(error)) from None

    def teach_specs(self, seed: int) -> list[TeachSpec]:
        """Return the teachers of one seed, one for each source task, in order."""
        return [self._teach(task, seed, self.teach) for task in self.sources]

    def learn_spec(self, seed: int) -> LearnSpec:
        """Return the source prompt's recipe for one seed."""
        asked = {"tasks": self.sources, "prompt_length": self.prompt_length, **dict(self.learn)}
        return LearnSpec.model_validate(asked | self._common(seed))

    def adapt_spec(self, task: str, seed: int) -> AdaptSpec:
        """Return the recipe of one target for one seed."""
        return AdaptSpec.model_validate({"task": task, **dict(self.adapt)} | self._common(seed))

    def scratch_spec(self, task: str, seed: int) -> TeachSpec:
        """Return the baseline's recipe: the steps, rows and rates of `adapt_spec`."""
        shared = {name: getattr(self.adapt, name) for name in Training.model_fields}
        return self._teach(task, seed, Training.model_validate(shared))

    def evaluate_spec(self, task: str, seed: int, method: Method) -> EvaluateSpec:
        """Return the recipe of one test score."""
        asked = {"task": task, "method": method, "max_length": self.adapt.max_length}
        return EvaluateSpec.model_validate(asked | self._common(seed))

    def _teach(self, task: str, seed: int, training: Training) -> TeachSpec:
        asked = {"task": task, "prompt_length": self.prompt_length, **dict(training)}
        return TeachSpec.model_validate(asked | self._common(seed))

    def _common(self, seed: int) -> dict[str, str | int]:
        return {"backbone": self.backbone, "precision": self.precision, "seed": seed}
