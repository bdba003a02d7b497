"""One adaptation that a champion should have: what it reads now, and the order that makes it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tasks
from flows.settings import Settings
from pipelines.due import Target
from pipelines.group_spec import GroupSpec
from pipelines.spec import AdaptSpec

if TYPE_CHECKING:
    from flows.orders import Order


@dataclass(frozen=True)
class Wish:
    """A target that a champion should have.

    Args:
        target: the recipe, and its last attempt.
        named: each of its tasks as it is opened: a name, or a file.
    """

    target: Target
    named: tuple[str, ...]

    @property
    def name(self) -> str:
        """What people call it."""
        return ", ".join(self.target.tasks)

    @cached_property
    def spec(self) -> AdaptSpec | GroupSpec:
        """The recipe, of tasks that can be opened."""
        values = {name: one for name, one in self.target.recipe.items() if name != "definitions"}
        if "tasks" in values:
            return GroupSpec.model_validate(values | {"tasks": list(self.named)})
        return AdaptSpec.model_validate(values | {"task": self.named[0]})

    def written_since(self, when: float) -> bool:
        """Say whether a file that it reads was written after a time, or put in its place."""
        return any(_written(file) > when for file in self._files())

    def rows(self) -> set[tuple[str, str]]:
        """Return role and digest of each dataset that it would read now.

        Raises:
            ValueError: rows are missing or wrong.
        """
        from pipelines.inputs import TaskInput  # torch, which is seldom needed here

        spec, found = self.spec, set()
        for name in self.named:
            given = TaskInput.open(name, Settings.read().data)
            drawn = getattr(spec, "draw", None)
            found.add(("train", given.training_info(spec.train_rows, drawn).sha))
            found.add(("validation", given.info("validation", spec.validation_rows).sha))
        return found

    def definitions(self) -> list[Any] | None:
        """Return what its user's own tasks say now."""
        given = [tasks.find(name).definition for name in self.named]
        return [json.loads(one) for one in given if one] or None

    def order(self) -> "Order":
        """Return the order that makes it.

        Raises:
            LookupError, ValueError: it cannot run as it is.
        """
        from flows.orders import order_adapt, order_adapt_group

        if isinstance(self.spec, GroupSpec):
            return order_adapt_group(self.spec, self.target.source)
        return order_adapt([self.spec], self.target.source)

    def _files(self) -> Iterator[Path]:
        for name in self.named:
            if tasks.is_file(name):
                yield Path(name)
            stamp = tasks.stamp(tasks.find(name), Settings.read().data)
            yield from (Path(path) for path, *_ in stamp)


def _written(path: Path) -> float:
    """Return when a file was written, or moved here, which changes the second of these only."""
    try:
        stat = path.stat()
    except OSError:  # whoever reads it will say so
        return 0.0
    return max(stat.st_mtime, stat.st_ctime)
