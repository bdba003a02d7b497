"""What to run: plain values, checked once, hashed for identity.

A spec holds everything that can change a number in the results, and nothing else. Devices, URLs
and workers are in `flows.settings`. Names of tasks and backbones say what to open; identity comes
from the content behind them (`fingerprint`).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from reprlib import Repr
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(gt=0, lt=2**31)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Precision = Literal["float32", "bfloat16"]
Method = Literal["prompt", "zero_shot", "majority"]
Content = Mapping[str, Sequence[str]]
"""Digests of what a run reads, by role."""


class Values(BaseModel):
    """Checked, frozen, and without unknown keys."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        use_attribute_docstrings=True,  # a form on a server shows them beside the fields
    )


class Budget(Values):
    """How long something is trained, and on what; the same for whatever is to be compared."""

    steps: Count
    batch_size: Count = 32
    weight_decay: Weight = 1e-5
    warmup: float = Field(0.1, ge=0, lt=1)
    """Share of the steps in which the rate rises; then it falls, linearly, to 0."""
    clip: Positive = 1.0
    """The largest L2 norm of the gradient."""
    validations: Count = 4
    """How often, at most, the validation split is scored; the best prompt is kept."""
    patience: Count | None = None
    """It ends after so many validations in a row that are no better than the best before."""
    train_rows: Count | None = None
    """The first so many training rows; None is all."""
    validation_rows: Count | None = None
    """The first so many validation rows, or so many of each source task; None is all."""
    max_length: Count | None = None
    """Tokens kept of an input; None is what the task says."""


class Training(Budget):
    """How a prompt is trained; the defaults are those of Wang et al. 2023's code family."""

    learning_rate: Positive = 0.3


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
    validation_rows: Count | None = 200
    """So many are scored, for the registry to compare prompts by; None is all."""
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
        # Without these a recipe is what it was before there were any.
        for name in ("draw", "patience"):
            if spec.get(name, ...) is None:
                del spec[name]
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

    version: ClassVar[int] = 2  # since 2 the decay is not rounded to the backbone's precision

    backbone: str = "nano-lm"
    task: str
    draw: Draw


class ImportSpec(StageSpec):
    """Take in a prompt that was trained elsewhere."""

    tasks: list[str] = Field(min_length=1)
    adapter: str
    """The SHA-256 of the prompt's bytes, as we write them."""
    validation_rows: Count | None = None
    max_length: Count | None = None


class EvaluateSpec(StageSpec):
    """Score a prompt, no prompt (zero-shot), or the most common answer on a test split."""

    task: str
    method: Method = "prompt"
    max_length: Count | None = None
    test_rows: Count | None = None


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
    short = Repr()  # ten lines of YAML can stand for a billion words
    short.maxstring, short.maxlevel = 80, 2
    return f"is {short.repr(value)}" if not isinstance(value, dict) else "does not fit"
