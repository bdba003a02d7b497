"""What starts because something has changed: a champion, a task's file, or its rows.

There is one question, "which adaptations are due", and SQL answers it. The clock asks it, and so
does an event, which says nothing but that it is worth asking.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import tasks
from flows.settings import open_lineage
from flows.watched import Watching
from flows.wishes import Wish
from pipelines import due
from pipelines.due import Target
from pipelines.lineage import Lineage


@dataclass
class Ordered:
    """What was started, and what could not be."""

    runs: dict[str, str] = field(default_factory=dict)
    """Ids of flow runs, by the names of their tasks."""
    refused: dict[str, str] = field(default_factory=dict)
    """Why not, by the names of tasks, or by a file."""


def order_due() -> Ordered:
    """Start each adaptation that is due, unless it has a flow run already."""
    told = Ordered()
    with open_lineage() as lineage:
        wanted = [one for one in _wishes(lineage, told) if _is_due(one, lineage, told)]
    for one in wanted:
        try:
            order = one.order()
        except (LookupError, ValueError) as error:
            told.refused[one.name] = str(error)
            continue
        from flows import remote  # torch, which is seldom needed here

        # None that failed is started again: it would fail every five minutes.
        told.runs[one.name] = remote.start(order, again=False).id
    return told


def _wishes(lineage: Lineage, told: Ordered) -> list[Wish]:
    """Return all targets that champions should have, each once."""
    watching = Watching.read()
    with lineage.database.reading() as connection:
        known = due.targets(connection) if watching.readapt else []
    files = dict(_opened(watching, told))
    found = {}
    for target in [*known, *_watched(lineage, watching, files, told)]:
        try:
            named = tuple(_named(name, files) for name in target.tasks)
        except LookupError as error:
            told.refused[", ".join(target.tasks)] = str(error)
        else:
            found[target.source, due.identity(target.recipe)] = Wish(target, named)
    return list(found.values())


def _opened(watching: Watching, told: Ordered) -> Iterator[tuple[str, Path]]:
    """Yield name and file of each task of the watched folder."""
    for path in watching.files():
        try:
            yield tasks.find(str(path)).name, path
        except ValueError as error:
            told.refused[path.name] = str(error)


def _watched(
    lineage: Lineage, watching: Watching, files: dict[str, Path], told: Ordered
) -> Iterator[Target]:
    for name, path in files.items():
        try:
            spec = watching.spec(path)
        except ValueError as error:
            told.refused[path.name] = str(error)
            continue
        recipe = spec.model_dump(mode="json") | {"task": name}
        with lineage.database.reading() as connection:
            source = due.champion_source(connection, spec.backbone)
            if source:
                yield Target(recipe, source, due.last_attempt(connection, recipe, source))
            else:
                told.refused[path.name] = (
                    f"no source prompt is champion for the backbone {spec.backbone}"
                )


def _named(task: str, files: dict[str, Path]) -> str:
    """Return a task as it is opened; where the file of a user's own is, only the folder knows.

    Raises:
        UnknownTask: it is neither registered nor in the folder.
    """
    return str(files[task]) if task in files else tasks.find(task).name


def _is_due(one: Wish, lineage: Lineage, told: Ordered) -> bool:
    """Say whether a target was never tried, or what it reads has changed since."""
    attempt = one.target.attempt
    if attempt is None or not one.written_since(attempt.began.timestamp()):
        return attempt is None
    with lineage.database.reading() as connection:
        before = due.rows_of(connection, attempt.run_id)
    try:
        return one.rows() != before or one.definitions() != attempt.definitions
    except (LookupError, ValueError) as error:
        told.refused[one.name] = str(error)
        return False
