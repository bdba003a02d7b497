"""A task's three splits as examples: from the hub, from a folder, or generated."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tasks import hub, local
from tasks.own import files
from tasks.rows import BadCell, BadRow
from tasks.splits import CARVED, Part, Splits, assign
from tasks.task import Example, Files, Generated, Hub, Row, Task


class Data(NamedTuple):
    """What a task is trained on, chosen by and tested on, and where it came from."""

    train: list[Example]
    validation: list[Example]
    test: list[Example]
    origin: str
    """For people: the hub's name, the folder, or the seed."""
    revision: str | None
    """The hub's commit, 40 hex digits; None for rows from elsewhere."""
    warnings: tuple[str, ...]


class EmptySplit(ValueError):
    """The protocol leaves one of our splits without a row."""

    def __init__(self, task: str, split: str, rows: Mapping[str, int], splits: Splits) -> None:
        has = ", ".join(f"{name} {count}" for name, count in rows.items())
        carved = splits.carved(rows.get(splits.train, 0))
        super().__init__(
            f"{task!r} has no rows left for {split} (read: {has}; {carved:,} training rows serve "
            "for each split that the protocol carves or that is missing): give it more rows"
        )


class _Source(NamedTuple):
    found: dict[str, list[Example]]
    origin: str
    revision: str | None
    warnings: tuple[str, ...] = ()


def load(task: Task, folder: Path | None = None) -> Data:
    """Return the examples of `task`, split by its protocol.

    Args:
        task: which one.
        folder: DIR/<task>/<split> files instead of the hub; generated tasks do not look there.

    Raises:
        MissingData: the folder has no training rows of it.
        HubUnreachable: the hub gave no rows.
        BadRow: a row cannot become an example.
        BadFile: a file cannot be read at all.
        EmptySplit: nothing is left for one of the splits.
    """
    source = _read(task, folder)
    found = source.found
    if task.trained_on:
        return Data([], [], found[task.splits.test], source.origin, source.revision, ())
    together = task.splits.share is not None
    groups = {
        name: [one.group or (one.input if together else "") for one in examples]
        for name, examples in found.items()
    }
    parts = assign(task.splits, groups)
    train, validation, test = (_take(found, part) for part in parts)
    for split, examples in (("train", train), ("validation", validation), ("test", test)):
        if not examples:
            rows = {name: len(those) for name, those in found.items()}
            raise EmptySplit(task.name, split, rows, task.splits)
    if task.every_answer:
        train = [one._replace(answers=(answer,)) for one in train for answer in one.answers]
    warnings = (*source.warnings, *_missing(task, found))
    return Data(train, validation, test, source.origin, source.revision, warnings)


def stamp(task: Task, folder: Path | None) -> tuple[tuple[str, int, int], ...]:
    """Return what changes when a file is written that the rows of `task` are in.

    Who lives long must not go on with the rows that it read first. See `load` for the arguments.
    """
    if isinstance(task.source, Files):
        paths = [task.source.folder / name for name in task.source.names.values()]
    elif isinstance(task.source, Hub) and folder:
        paths = [path for path in _in_folder(task, folder).values() if path]
    else:
        return ()
    return tuple((str(one), *_written(one)) for one in paths)


def _written(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:  # whoever reads it will say so
        return 0, 0
    return found.st_mtime_ns, found.st_size


def digest(task: Task, examples: Sequence[Example]) -> str:
    """Return the identity of some data of a task: SHA-256, 64 hex digits.

    It covers what a model and a metric can see: label words, metric names, and the rendered
    examples in their order. Where the rows were and in which format does not count.
    """
    seen = hashlib.sha256(_canonical([task.labels, list(task.metrics)]))
    for example in examples:
        seen.update(_canonical([example.input, example.answers, example.group]))
    return seen.hexdigest()


def _canonical(value: object) -> bytes:
    # One JSON value a line: part of every recorded identity, so changing it changes them all.
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"


def _read(task: Task, folder: Path | None) -> _Source:
    if isinstance(task.source, Generated):
        rows = {name: task.source.rows(name) for name in task.splits.names}
        return _Source(_each(task, rows, "generated"), f"generated, seed {task.source.seed}", None)
    if isinstance(task.source, Files):
        return _from_files(task, task.source)
    if folder is not None:
        return _from_folder(task, folder)
    return _from_hub(task, task.source)


def _in_folder(task: Task, folder: Path) -> dict[str, Path | None]:
    return {name: local.find(folder, task.folder or task.name, name) for name in task.splits.names}


def _from_folder(task: Task, folder: Path) -> _Source:
    paths = _in_folder(task, folder)
    if paths[task.splits.train] is None:
        raise local.MissingData(task.folder or task.name, task.splits.train, folder)
    found = {
        name: _examples(task, str(path), local.read(path))
        for name, path in paths.items()
        if path is not None
    }
    return _Source(found, str(folder / (task.folder or task.name)), None)


def _from_files(task: Task, source: Files) -> _Source:
    found = {
        name: _examples(task, file, files.rows(source, name, task.columns))
        for name, file in source.names.items()
    }
    return _Source(found, ", ".join(dict.fromkeys(source.names.values())), None)


def _from_hub(task: Task, source: Hub) -> _Source:
    read = hub.read(source)
    if task.splits.train not in read.splits:
        raise hub.HubUnreachable(source, f"it has no split {task.splits.train!r}")
    wanted = {name: read.splits[name] for name in task.splits.names if name in read.splits}
    unknown = f"the commit of {hub.title(source)} could not be told; it is not recorded"
    warnings = () if read.revision else (unknown,)
    return _Source(
        _each(task, wanted, hub.title(source)), hub.title(source), read.revision, warnings
    )


def _each(task: Task, splits: Mapping[str, Iterable[Row]], where: str) -> dict[str, list[Example]]:
    return {
        name: _examples(task, f"{where} {name}", enumerate(rows, 1))
        for name, rows in splits.items()
    }


def _examples(task: Task, where: str, rows: Iterable[tuple[int, Row]]) -> list[Example]:
    return [_example(task, where, number, row) for number, row in rows]


def _example(task: Task, where: str, number: int, row: Row) -> Example:
    if lacking := [column for column in task.columns if column not in row]:
        has, lacks = ", ".join(row), ", ".join(lacking)
        raise BadRow(where, number, f"it has no column {lacks}; {task.name!r} needs it ({has})")
    try:
        return task.read(row)
    except BadCell as error:
        raise BadRow(where, number, str(error)) from None


def _take(found: Mapping[str, Sequence[Example]], part: Part) -> list[Example]:
    return [found[part.split][row] for row in part.rows]


def _missing(task: Task, found: Mapping[str, Sequence[Example]]) -> list[str]:
    if task.splits.share is not None:
        return []  # what the user's own file says
    return [
        f"{task.name!r} has no split {name!r} here: the first {CARVED:,} of its shuffled training "
        "rows serve for it, so scores do not compare with published ones"
        for name in task.splits.names
        if name not in found
    ]
