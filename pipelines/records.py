"""What goes into lineage and comes out of it: frozen values, no SQL."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any, Literal

from pipelines.capability import BaselineMethod

Architecture = Literal["encoder-decoder", "decoder-only"]
Stage = Literal[
    "teach", "learn", "adapt", "few_shot", "import", "baseline", "evaluate", "export"
]  # fmt: skip
Kind = Literal["teacher", "source", "target", "context"]
Split = Literal["train", "validation", "test"]
Method = Literal["prompt", "zero_shot", "majority"] | BaselineMethod
ReadRole = Literal["teacher", "source", "front", "evaluated", "exported"]
"""What a prompt is to the run that reads it; a front stands before a context."""

MULTITASK = "multitask"
"""The task of what belongs to several tasks: a source prompt, a mean score."""

GROUP = "group"
"""The task of a prompt that several targets share; it is no source prompt."""


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
class TemplateInfo:
    """How a task's rows become text and answers."""

    task: str
    definition: Mapping[str, Any]
    """As JSON has it; of a user's own task, what its file says."""

    @property
    def sha(self) -> str:
        """Its identity: SHA-256, 64 hex digits. The order of keys does not count."""
        return sha256(json.dumps(self.definition, sort_keys=True).encode()).hexdigest()


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
    template: TemplateInfo | None = None
    """What rendered them; None for the mean over several tasks."""


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
    references_sha: str | None
    about: str
    """The task of the examples; of a prompt for several tasks, each score has its own."""
    interval: tuple[float, float] | None = None


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
    heartbeat_at: datetime | None
    seconds: float | None
    max_steps: int | None
    batch_size: int | None
    steps: int | None
    resumed_sha: str | None
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
