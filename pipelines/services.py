"""The outside world, opened once at the edge and passed in. No module holds a connection."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from mpt.backbone import Backbone
from pipelines.inputs import TaskInput
from pipelines.lineage import Lineage
from pipelines.places import Place
from pipelines.records import Environment
from pipelines.store import Store

OnStep = Callable[[int, float], None]
"""Called with the steps taken so far, and the loss of the last."""
Progress = Callable[[str, str, int], AbstractContextManager[OnStep]]
"""Called with stage, task and number of steps; shows them while the block runs."""


@dataclass(frozen=True)
class Services:
    """All that a stage needs and does not compute.

    Args:
        backbone: opens a frozen model by name and precision; the same object each time.
        task: opens a task with its rows by name; the same object each time.
        store: prompt bytes and predictions.
        lineage: what was done.
        checkpoints: folder for trainings under way.
        cache: folder for what can be computed again.
        progress: shows a training.
        environment: where this process runs.
        batch_size: rows scored at once.
        side_by_side: trainings that take their steps together; saving one keeps all waiting.
        mirror: where checkpoints are kept too, for other machines to go on from.
    """

    backbone: Callable[[str, str], Backbone]
    task: Callable[[str], TaskInput]
    store: Store
    lineage: Lineage
    checkpoints: Path
    cache: Path
    progress: Progress
    environment: Environment
    batch_size: int = 64
    side_by_side: int = 1
    mirror: Place | None = None
