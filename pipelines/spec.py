"""What to run: plain values, checked once, hashed for identity.

A spec holds everything that can change a number in the results, and nothing else. Devices, URLs
and workers are in `flows.settings`. Names of tasks and backbones say what to open; identity comes
from the content behind them (`fingerprint`).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipelines.spec_file import BadSpec, read

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(gt=0)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Precision = Literal["float32", "bfloat16"]
Method = Literal["prompt", "zero_shot", "majority"]
Content = Mapping[str, Sequence[str]]
"""Digests of what a run reads, by role."""


class Values(BaseModel):
    """Checked, frozen, and without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Training(Values):
    """How a prompt is trained; the defaults are those of Wang et al. 2023's code family."""

    steps: Count
    batch_size: Count = 32
    learning_rate: Positive = 0.3
    weight_decay: Weight = 1e-5
    warmup: float = Field(0.1, ge=0, lt=1)
    """Share of the steps in which the rate rises; then it falls, linearly, to 0."""
    clip: Positive = 1.0
    """The largest L2 norm of the gradient."""
    validations: Count = 4
    """How often, at most, the validation split is scored; the best prompt is kept."""
    train_rows: Count | None = None
    """The first so many training rows; None is all."""
    validation_rows: Count | None = None
    """The first so many validation rows, or so many of each source task; None is all."""
    max_length: Count | None = None
    """Tokens kept of an input; None is what the task says."""


class Draw(Values):
    """A few training examples, as many of each label as of any other, in random order."""

    shots: Count
    per_class: bool = False
    """`shots` of each label, not in all."""
    seed: Seed = 0
    """Of the draw alone; the training has its own."""


class Distil(Values):
    """λ · (KL on logits at a temperature + MSE on hidden states), Wang et al. 2023, eqs 3-5.

    The paper's λ is 0.9; its temperature and layers could not be recovered.
    """

    weight: Weight = 0.9
    temperature: Positive = 2.0
    logits: bool = True
    decoder_layers: list[int] = [-1]
    encoder_layers: list[int] = []


class SourceTraining(Training):
    """How the shared prompt is trained on all source tasks at once."""

    factor_learning_rate: Positive = 0.4
    """Of the task vectors u_k, v_k; P* learns at `learning_rate`."""
    rank: Count = 1
    factors: Literal["identity", "peft"] = "identity"
    """u = v = 1 starts every task at P* itself; "peft" draws all from N(0, 0.02)."""
    start: Literal["teachers", "vocabulary"] = "vocabulary"
    """P* begins as the mean of the teachers, or as sampled vocabulary, as in the paper."""
    sampling_cap: Count = 2**18
    """A task counts for at most so many rows in the mixture (T5's examples-proportional)."""
    freeze_absent_tasks: bool = True
    """False lets AdamW's momentum move the vectors of tasks that a batch does not hold."""
    distillation: Distil = Distil()


class TargetTraining(Training):
    """How one target prompt is trained."""

    factor_learning_rate: Positive = 0.4
    start: str = "average"
    """The task vector's start: "average" of the sources, "identity", or a source task's name."""
    freeze_shared: bool = False
    """Train u and v only."""


class ContextTraining(Values):
    """How a context is moved (Blau et al. 2024). Radii and γ are those of its authors' notebook.

    The learning rate is ours: it goes with AdamW and the schedule of the other stages.
    """

    steps: int = Field(30, ge=0)
    """0 is in-context learning: the examples stay as they are."""
    batch_size: Count = 8
    """How many of the context's examples are appended to it in each step, one to each copy."""
    learning_rate: Positive = 0.01
    weight_decay: Weight = 0.0
    warmup: float = Field(0.1, ge=0, lt=1)
    clip: Positive = 1.0
    input_radius: Weight = 0.2
    """How far an example's words may move, times sqrt(hidden size / 2048)."""
    format_radius: Weight = 0.1
    """The same for what a template puts around them."""
    decay: float = Field(0.95, gt=0, le=1)
    """γ: an example r places from the end of the context counts γ^r in the loss."""
    validations: Count = 1
    """1 scores the end only: who chooses by hundreds of labelled rows does not learn from few."""
    validation_rows: Count | None = None
    max_length: Count | None = None
    """Tokens kept of an input behind the context; None is what the task says."""


class StageSpec(Values):
    """What every stage's recipe has. Equal recipes on equal content are one run."""

    version: ClassVar[int] = 1
    """Raise it when the code of a stage changes what the same spec computes."""
    named: ClassVar[set[str]] = {"backbone", "task", "tasks"}
    """Fields that name content: the content's digest is the identity, the name is not."""

    backbone: str = "nano-t5"
    precision: Precision = "float32"
    seed: Seed = 0

    def fingerprint(self, content: Content) -> str:
        """Return the identity of this spec applied to `content`: 64 hex digits."""
        spec = self.model_dump(mode="json", exclude=self.named)
        if spec.get("draw", ...) is None:
            del spec["draw"]  # without a draw it is what it was before there were any
        identity = {
            "stage": type(self).__name__,
            "version": self.version,
            "spec": spec,
            "content": {role: list(shas) for role, shas in content.items()},
        }
        canonical = json.dumps(identity, sort_keys=True, allow_nan=False)
        return hashlib.sha256(canonical.encode()).hexdigest()


class TeachSpec(StageSpec, Training):
    """Tune a vanilla prompt, from sampled vocabulary, on one task (Lester et al. 2021).

    It is a source task's teacher, and also the baseline on a target: "from scratch".
    """

    task: str
    prompt_length: Count = 100
    draw: Draw | None = None
    """Train on a few examples only."""


class LearnSpec(StageSpec, SourceTraining):
    """Train one shared prompt on several source tasks."""

    tasks: list[str] = Field(min_length=1)
    prompt_length: Count = 100


class AdaptSpec(StageSpec, TargetTraining):
    """Adapt a source prompt to one target task."""

    task: str
    draw: Draw | None = None
    """Train on a few examples only."""


class FewShotSpec(StageSpec, ContextTraining):
    """Move a context of a few examples of one task."""

    backbone: str = "nano-lm"
    task: str
    draw: Draw


class EvaluateSpec(StageSpec):
    """Score a prompt, no prompt (zero-shot), or the most common answer on a test split."""

    task: str
    method: Method = "prompt"
    max_length: Count | None = None
    test_rows: Count | None = None


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
    targets: list[str] = []
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
        start = self.adapt.start
        if start not in {"average", "identity", *self.sources}:
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


def explain(error: ValidationError) -> str:
    """Return what is wrong with each value, in one line."""
    return "; ".join(
        f"{'.'.join(str(part) for part in one['loc']) or 'the spec'} "
        f"{_asked(one['type'], one['input'])}: {one['msg']}"
        for one in error.errors()
    )


def _asked(kind: str, value: object) -> str:
    if kind == "missing":
        return "is not given"
    if kind == "extra_forbidden":
        return "is not a key of a spec"
    return f"is {value!r}" if not isinstance(value, dict) else "does not fit"
