"""What there is of a task: its rows, the share of each label, and what guessing scores."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tasks.data import EmptySplit, load
from tasks.hub import HubUnreachable
from tasks.local import BadFile, MissingData, SeveralFiles
from tasks.metrics import majority
from tasks.rows import BadRow
from tasks.task import Hub, Task

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Stats:
    """Counts of one task.

    Args:
        task: its name.
        rows: of each of our splits.
        shares: percentage of each label among all rows of the three splits.
        metric: the one that tables report.
        majority: its score on test for the commonest training answer; None without training rows.
        absent: why there are no counts; "" where there are.
        warnings: of what the counts rest on.
    """

    task: str
    rows: Mapping[str, int]
    shares: Mapping[str, float]
    metric: str
    majority: float | None
    absent: str = ""
    warnings: tuple[str, ...] = ()


def measure(task: Task, folder: Path | None) -> Stats:
    """Return the counts of `task`; rows that are not there or cannot be read are told in `absent`.

    Args:
        task: which one.
        folder: see `tasks.data.load`; the hub is not asked for rows only to count them.
    """
    name, metric = next(iter(task.metrics.items()))
    if folder is None and isinstance(task.source, Hub):
        return Stats(task.name, {}, {}, name, None, "no --data DIR with its rows")
    try:
        data = load(task, folder)
    except MissingData:
        missing = f"no {task.splits.train} rows in the folder"
        return Stats(task.name, {}, {}, name, None, missing)
    except (EmptySplit, BadRow, BadFile, SeveralFiles, HubUnreachable) as error:
        return Stats(task.name, {}, {}, name, None, str(error))
    parts = {split: getattr(data, split) for split in SPLITS}
    answers = [one.answers[0] for part in parts.values() for one in part]
    guessed = majority(task, data.train, data.test) if data.train else []
    return Stats(
        task.name,
        {split: len(part) for split, part in parts.items()},
        {label: 100 * Counter(answers)[label] / len(answers) for label in task.labels},
        name,
        metric(guessed, data.test) if guessed else None,
        warnings=data.warnings,
    )
