"""What is adapted without anybody asking: a folder of task files, and targets of champions."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from flows.settings import PREFIX
from tasks.find import is_file

if TYPE_CHECKING:
    from pipelines.spec import AdaptSpec

Stamp = tuple[tuple[str, int, int], ...]
NOT_YES = {"off", "no", "0", "false"}


class NothingThere(ValueError):
    """A setting names a file or a folder that is not there."""

    def __init__(self, name: str, path: Path, wanted: str) -> None:
        super().__init__(f"the variable {PREFIX}{name} is {str(path)!r}: give {wanted}")


@dataclass(frozen=True)
class Watching:
    """Read from PROMPT_TRANSFER_WATCH and so on, in which `up`, or its worker, was started."""

    folder: Path | None
    """Each task's YAML file here is adapted to; None watches nothing."""
    recipe: Path | None
    """A YAML file of how: the keys of an adaptation but the task; None is what `adapt` does."""
    readapt: bool
    """Whether the targets of a champion follow the next one, and their own rows."""

    @classmethod
    def read(cls) -> Self:
        """Return what is set for this process.

        Raises:
            NothingThere: a folder or a file is not there.
        """
        folder, recipe = _path("watch"), _path("watch_recipe")
        if folder and not folder.is_dir():
            raise NothingThere("WATCH", folder, "a folder for tasks' YAML files")
        if recipe and not recipe.is_file():
            raise NothingThere("WATCH_RECIPE", recipe, "a YAML file, with `steps: 200` in it, say")
        readapt = os.environ.get(f"{PREFIX}READAPT", "").lower() not in NOT_YES
        return cls(folder, recipe, readapt)

    def files(self) -> Iterator[Path]:
        """Yield the task files of the folder, in order."""
        for path in self._all():
            if is_file(path.name) and path.is_file():
                yield path.resolve()

    def spec(self, task: Path) -> "AdaptSpec":
        """Return the recipe of a task of the folder.

        Raises:
            BadSpec: the file of the recipe is wrong.
        """
        from pydantic import ValidationError

        from flows.recipes import AdaptOptions
        from pipelines.spec import AdaptSpec, explain
        from pipelines.spec_file import BadSpec, read

        given = read(self.recipe) if self.recipe else {}
        usual = AdaptOptions().model_dump(exclude={"sampling_cap"})
        try:
            return AdaptSpec.model_validate({**usual, **given, "task": str(task)})
        except ValidationError as error:
            raise BadSpec(self.recipe or task, explain(error)) from None

    def stamp(self) -> Stamp:
        """Return what changes when a file of the folder is written, or comes, or goes."""
        return tuple((path.name, *_state(path)) for path in self._all())

    def _all(self) -> list[Path]:
        try:
            return sorted(self.folder.iterdir()) if self.folder else []
        except OSError:  # it was there when we started
            return []


def _state(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:  # it is going just now
        return 0, 0
    return max(found.st_mtime_ns, found.st_ctime_ns), found.st_size


def _path(name: str) -> Path | None:
    given = os.environ.get(f"{PREFIX}{name.upper()}", "")
    return Path(given) if given else None
