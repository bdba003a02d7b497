"""How sure it is that one prompt beats another, from their answers to the same examples."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import tasks
from pipelines.gain import gain_interval
from pipelines.intervals import Interval
from pipelines.score_interval import DEAR
from pipelines.side_by_side import Fact
from pipelines.store import MissingContent, Store
from tasks import Data, Example, Metric, Task


@dataclass(frozen=True)
class Pairing:
    """Takes paired intervals, where the answers of both and the examples are at hand.

    Args:
        store: where the answers are.
        folder: rows of published tasks; None is the hub, or its cache.
    """

    store: Store
    folder: Path | None
    opened: dict[str, tuple[Task, Data] | None] = field(default_factory=dict)
    """Each task once, however many scores are taken on it."""

    def interval(self, ours: Fact, theirs: Fact) -> Interval | None:
        """Return the 95 % interval of `ours` minus `theirs`, two scores on the same rows.

        None where the answers of one are not in the store, the rows cannot be opened or are no
        longer those that were scored, or the metric would take minutes.

        Raises:
            CorruptContent: the answers were changed after they were stored.
        """
        if ours["metric"] in DEAR or not (ours["text"] and theirs["text"]):
            return None
        try:
            sides = [json.loads(self.store.get(one["text"])) for one in (ours, theirs)]
        except MissingContent:
            return None
        asked = self._asked(ours)
        if asked is None or any(len(answers) != ours["n"] for answers in sides):
            return None
        return gain_interval(sides[:1], sides[1:], *asked)

    def _asked(self, score: Fact) -> tuple[list[Example], Metric] | None:
        """Return the examples of a score, and its metric."""
        name = score["name"]
        if name not in self.opened:
            self.opened[name] = _open(name, self.folder)
        if (opened := self.opened[name]) is None:
            return None
        task, data = opened
        examples = getattr(data, score["role"])[: score["n"]]
        if score["metric"] not in task.metrics or tasks.digest(task, examples) != score["sha"]:
            return None
        return examples, task.metrics[score["metric"]]


def _open(name: str, folder: Path | None) -> tuple[Task, Data] | None:
    try:
        task = tasks.find(name)
        return task, tasks.load(task, folder)
    except (LookupError, ValueError):  # a user's own task, or rows that are elsewhere
        return None
