"""What a run that is under way leaves behind: its prompt, its scores, how it went."""

import math
import time
from dataclasses import dataclass, field

from pipelines.records import DatasetInfo, Kind, Method, ReadRole


class BadScore(ValueError):
    """A score that no metric can give."""

    def __init__(self, metric: str, value: float, n: int, split: str) -> None:
        super().__init__(
            f"{metric} = {value} on {n} {split} examples is no score: it must be in -100..100, "
            "on 1 or more validation or test examples; look at the predictions it came from"
        )


class BadInterval(ValueError):
    """An interval that no score can have."""

    def __init__(self, metric: str, low: float, high: float) -> None:
        super().__init__(
            f"{low}..{high} is no interval of {metric}: it must be -100 <= low <= high <= 100"
        )


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
    references_sha: str | None = None
    method: Method = "prompt"
    interval: tuple[float, float] | None = None
    """Of 95 %, for the sampling of examples; None where none can be told."""

    def __post_init__(self) -> None:
        in_range = math.isfinite(self.value) and abs(self.value) <= 100
        if not in_range or self.n < 1 or self.dataset.split == "train":
            raise BadScore(self.metric, self.value, self.n, self.dataset.split)
        if self.interval is not None:
            low, high = self.interval
            if not -100 <= low <= high <= 100:
                raise BadInterval(self.metric, low, high)


@dataclass
class Recording:
    """A run that is under way: the stage fills it in, and lineage writes it when it ends."""

    id: str
    attempt: int
    reads: tuple[tuple[ReadRole, str], ...] = ()
    """(role, digest) of each prompt that it reads."""
    prompt: MadePrompt | None = None
    scores: list[ScoreInfo] = field(default_factory=list)
    curve: list[tuple[int, float]] = field(default_factory=list)
    """Validation score by step."""
    losses_sha: str | None = None
    """Where the store keeps the training loss of each step: a JSON list."""
    trained: int | None = None
    """How many numbers were trained; None where nothing was."""
    steps: int | None = None
    """How many steps the result rests on, also those before a resume; None where none were."""
    resumed_sha: str | None = None
    """The digest of the checkpoint that it went on from."""
    adapter_sha: str | None = None
    """The digest of the folder that a prompt was exported as."""
    truncated: int = 0
    warnings: list[str] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """For how long it has been under way."""
        return time.monotonic() - self.began
