"""Reading all rows of a user's task once, in bounded memory, and saying what is wrong with them."""

from dataclasses import dataclass

from tasks.own.findings import together
from tasks.own.seen import Finding, Ruler, see, splits_of
from tasks.task import Task


@dataclass(frozen=True)
class Survey:
    """What was found in all rows of a task."""

    task: str
    kind: str
    rows: dict[str, int]
    """Good rows of each split that has rows of its own."""
    labels: dict[str, int]
    """Training rows of each label; {} where there are none."""
    longest: int
    """Tokens of the longest input; 0 if none were counted."""
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> int:
        """How many findings refuse the task."""
        return sum(one.level == "error" for one in self.findings)


def survey(task: Task, ruler: Ruler | None) -> Survey:
    """Read all rows of a user's task; return what is wrong with them.

    A task without errors here is one that `tasks.load` reads.

    Args:
        task: from the user's own file.
        ruler: counts tokens; None counts none.

    Raises:
        HubUnreachable: the hub gave no rows.
    """
    seen = {split: see(task, split, ruler) for split in splits_of(task)}
    found = [one for part in seen.values() for one in part.bad]
    found += together(task, seen, ruler)
    return Survey(
        task=task.name,
        kind=task.family,
        rows={split: len(part.numbers) for split, part in seen.items()},
        labels={label: seen["train"].labels[label] for label in task.labels},
        longest=max(part.cut[1] for part in seen.values()),
        findings=tuple(sorted(found, key=lambda one: one.level)),
    )
