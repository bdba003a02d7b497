"""What an examination finds, and in what."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipelines.lineage import Lineage
from pipelines.outbox import Sink
from pipelines.registry import Registry
from pipelines.relay import Delivered
from pipelines.store import Store

DAY = 86400.0
"""Seconds after which a file that nobody names is no longer about to be named."""


def written_at(path: Path) -> float:
    """Return when a file was last written, in seconds since 1970; never, if it is gone."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")


@dataclass(frozen=True)
class Finding:
    """Something that is wrong."""

    part: str
    """Where: schema, runs, store, registry, outbox, installation."""
    what: str
    """What is wrong, in what."""
    remedy: str
    """What `mend` does; where there is none, what a person can do."""
    mend: Callable[[], object] | None = field(default=None, compare=False, repr=False)
    """Repairs it, or raises; may be repeated."""
    harmless: bool = False
    """It only takes place, as what every home collects."""


@dataclass(frozen=True)
class Skipped:
    """Something that could not be examined."""

    part: str
    why: str


@dataclass(frozen=True)
class Home:
    """What is examined.

    Args:
        lineage: opened without a look at its tables.
        registry: MLflow.
        checkpoints: the folder of trainings under way.
        folders: where a kill may have left temporary files.
        tell: tells each system that is on what is due.
        note: is called now and then with how far the examination is.
    """

    lineage: Lineage
    registry: Registry
    checkpoints: Path
    folders: Sequence[Path]
    tell: Mapping[Sink, Callable[[], Delivered]]
    note: Callable[[str], None]

    @property
    def store(self) -> Store:
        """Where the bytes are."""
        return self.registry.store
