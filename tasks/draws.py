"""A few examples, drawn by a seed: as many of each label as of any other."""

from collections.abc import Callable, Sequence
from random import Random
from typing import TypeVar

from tasks.task import Example, Task

T = TypeVar("T")


class TooFewExamples(ValueError):
    """More examples are to be drawn than there are."""

    def __init__(self, task: str, wanted: str, has: str) -> None:
        super().__init__(f"cannot draw {wanted} from {task!r}: it has {has}; draw fewer")


def draw(
    task: Task, examples: Sequence[Example], shots: int, per_class: bool, seed: int
) -> list[Example]:
    """Return `shots` of `examples`, in random order, the same ones for the same seed.

    Every label gets `shots // labels` examples, and some labels, chosen at random, one more. Tasks
    without labels are drawn from as they are.

    Args:
        task: whose labels count.
        examples: what to draw from.
        shots: how many in all, or of each label.
        per_class: of each label.
        seed: of this draw; a training seed never reaches this function.

    Raises:
        TooFewExamples: there are not so many, of one label or in all.
    """
    random = Random(f"{seed} draw").random  # Python promises its sequence, not that of `shuffle`
    pools = _pools(task, examples)
    labels = _shuffled(list(pools), random)
    total = shots * len(labels) if per_class else shots
    chosen: list[Example] = []
    for at, label in enumerate(labels):
        wanted = total // len(labels) + (at < total % len(labels))
        if wanted > len(pools[label]):
            which = f" with the label {label!r}" if task.labels else ""
            has = f"{len(pools[label]):,} training examples{which}"
            raise TooFewExamples(task.name, f"{wanted:,}{which}", has)
        chosen += _shuffled(pools[label], random)[:wanted]
    return _shuffled(chosen, random)


def _pools(task: Task, examples: Sequence[Example]) -> dict[str, list[Example]]:
    if not task.labels:
        return {"": list(examples)}
    pools: dict[str, list[Example]] = {label: [] for label in task.labels}
    for example in examples:
        pools[example.answers[0]].append(example)
    return pools


def _shuffled(values: Sequence[T], random: Callable[[], float]) -> list[T]:
    return sorted(values, key=lambda _: random())
