"""What goes into lineage and comes out of it: frozen values, no SQL."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any, Literal

from pipelines.capability import BaselineMethod

Architecture = Literal["encoder-decoder", "decoder-only"]
Stage = Literal["teach", "learn", "adapt", "few_shot", "import", "baseline", "evaluate"]
Kind = Literal["teacher", "source", "target", "context"]
Split = Literal["train", "validation", "test"]
Method = Literal["prompt", "zero_shot", "majority"] | BaselineMethod
ReadRole = Literal["teacher", "source", "front", "evaluated"]
"""What a prompt is to the run that reads it; a front stands before a context."""

MULTITASK = "multitask"
"""The task of what belongs to several tasks: a source prompt, a mean score."""

GROUP = "group"
"""The task of a prompt that several targets share; it is no source prompt."""


class BadScore(ValueError):
    """A score that no metric can give."""

    def __init__(self, metric: str, value: float, n: int, split: str) -> None:
        super().__init__(
            f"{metric} = {value} on {n} {split} examples is no score: it must be in -100..100, "
            "on 1 or more validation or test examples; look at the predictions it came from"
        )


@dataclass(frozen=True)
class BackboneInfo:
    """A frozen model; `sha` is the digest of its content."""

    sha: str
    name: str
    hidden_size: int
    num_layers: int
    num_heads: int
    parameters: int
    architecture: Architecture = "encoder-decoder"


@dataclass(frozen=True)
class DrawInfo:
    """How a few examples were drawn from a dataset."""

    of: "DatasetInfo"
    """What they were drawn from."""
    seed: int
    shots: int
    per_class: bool


@dataclass(frozen=True)
class DatasetInfo:
    """The examples of one split; `sha` is `tasks.data.digest` of them."""

    sha: str
    task: str
    split: Split
    origin: str
    num_rows: int
    revision: str | None = None
    draw: DrawInfo | None = None
    """None is all of the split, or its first rows."""


def combined(datasets: Sequence[DatasetInfo]) -> DatasetInfo:
    """Return the dataset that a mean score over several tasks of one split belongs to."""
    content = "\n".join(sorted(one.sha for one in datasets))
    return DatasetInfo(
        sha=sha256(content.encode()).hexdigest(),
        task=MULTITASK,
        split=datasets[0].split,
        origin="combined",
        num_rows=sum(one.num_rows for one in datasets),
    )


@dataclass(frozen=True)
class Environment:
    """Where a run ran: recorded beside its identity, never part of it."""

    device: str
    threads: int
    precision: str = "float32"
    versions: Mapping[str, str] = field(default_factory=dict)
    git_commit: str | None = None


@dataclass(frozen=True)
class Request:
    """What is asked of one stage; `sha` is the identity of the answer."""

    stage: Stage
    sha: str
    spec: Mapping[str, Any]
    seed: int
    task: str
    environment: Environment
    backbone: BackboneInfo | None = None
    datasets: Mapping[Split, Sequence[DatasetInfo]] = field(default_factory=dict)
    reads: Mapping[ReadRole, Sequence[str]] = field(default_factory=dict)
    """Digests of the prompts that the stage reads."""


@dataclass(frozen=True)
class MadePrompt:
    """The prompt that a run made; its bytes are in the store under `sha`."""

    sha: str
    kind: Kind
    num_tokens: int
    hidden_size: int
    bytes: int
    tasks: tuple[str, ...] = ()
    """The task of each task vector, in order; empty for a vanilla prompt."""
    rank: int | None = None


@dataclass(frozen=True)
class ScoreInfo:
    """One metric on one dataset, in -100..100; `n` is how many examples were scored.

    Raises:
        BadScore: the value is not finite or out of range, or nothing was scored.
    """

    dataset: DatasetInfo
    metric: str
    value: float
    n: int
    is_primary: bool = False
    """The one that tables report; at most one per split and run."""
    predictions_sha: str | None = None
    method: Method = "prompt"

    def __post_init__(self) -> None:
        in_range = math.isfinite(self.value) and abs(self.value) <= 100
        if not in_range or self.n < 1 or self.dataset.split == "train":
            raise BadScore(self.metric, self.value, self.n, self.dataset.split)


@dataclass
class Recording:
    """A run that is under way: the stage fills it in, and lineage writes it when it ends."""

    id: str
    attempt: int
    prompt: MadePrompt | None = None
    scores: list[ScoreInfo] = field(default_factory=list)
    curve: list[tuple[int, float]] = field(default_factory=list)
    """Validation score by step."""
    losses_sha: str | None = None
    """Where the store keeps the training loss of each step: a JSON list."""
    trained: int | None = None
    """How many numbers were trained; None where nothing was."""
    truncated: int = 0
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class ScoreRecord:
    """A score, as recorded."""

    run_id: str
    prompt_sha: str | None
    dataset_sha: str
    split: str
    method: str
    metric: str
    value: float
    n: int
    is_primary: bool
    predictions_sha: str | None


@dataclass(frozen=True)
class PromptRecord:
    """A prompt, as recorded."""

    sha: str
    kind: str
    task: str
    tasks: tuple[str, ...]
    backbone: BackboneInfo
    num_tokens: int
    hidden_size: int
    rank: int | None
    bytes: int
    created_at: datetime


@dataclass(frozen=True)
class RunRecord:
    """A run, as recorded."""

    id: str
    stage: str
    status: str
    request_sha: str
    attempt: int
    spec: Mapping[str, Any]
    seed: int
    task: str
    backbone_sha: str | None
    environment: Environment
    started_at: datetime
    ended_at: datetime | None
    error: str | None
    truncated: int
    warnings: tuple[str, ...]
    curve: tuple[tuple[int, float], ...]
    losses_sha: str | None
    trained: int | None
    prompt: str | None
    """The digest of the prompt that it made."""
    scores: tuple[ScoreRecord, ...]
    reads: tuple[tuple[str, str], ...]
    """(role, digest) of each prompt that it read."""
    datasets: tuple[tuple[str, str], ...]
    """(role, digest) of each dataset that it read."""

    def primary(self, split: str) -> ScoreRecord | None:
        """Return the score on `split` that tables report."""
        return next((one for one in self.scores if one.is_primary and one.split == split), None)
