"""What a task is, in words for people and scripts."""

import inspect
import json
from dataclasses import asdict
from typing import Any

from tasks import hub
from tasks.rows import Template
from tasks.task import Files, Generated, Hub, Task


def origin(source: Hub | Generated | Files) -> str:
    """Return where rows come from: `owner/name subset @ commit`, files, or a seed."""
    if isinstance(source, Generated):
        return f"generated, seed {source.seed}"
    if isinstance(source, Files):
        return ", ".join(dict.fromkeys(source.names.values()))
    return f"{hub.title(source)} @ {source.revision or 'newest'}"


def definition(task: Task) -> dict[str, Any]:
    """Return what a task makes of its rows, as values that JSON has.

    Of a user's own task, what its file says. Of others, `template` is None where code does more
    than to fill one in; `read_by` is the name of that code, and the first line of what it says.
    """
    if task.definition:
        own: dict[str, Any] = json.loads(task.definition)
        return own
    form = task.read.form if isinstance(task.read, Template) else None
    return {
        "name": task.name,
        "benchmark": task.benchmark,
        "family": task.family,
        "source": _source(task),
        "template": form,
        "read_by": None if form else _read_by(task),
        "columns": list(task.columns),
        "labels": list(task.labels),
        "metrics": list(task.metrics),
        "splits": asdict(task.splits),
        "max_input": task.max_input,
        "max_answer": task.max_answer,
        "every_answer": task.every_answer,
        "trained_on": list(task.trained_on),
        "licence": task.licence,
        "citation": task.citation,
    }


def _source(task: Task) -> dict[str, Any]:
    if isinstance(task.source, Generated):
        return {"seed": task.source.seed, "sizes": dict(task.source.sizes)}
    assert isinstance(task.source, Hub), "files are a user's, who has a definition"
    return asdict(task.source)


def _read_by(task: Task) -> str:
    code = task.read
    said = (inspect.getdoc(code) or "").partition("\n")[0]
    name = code.__qualname__.partition(".")[0]  # of a variant, whose reader is made by a function
    return f"{code.__module__}.{name}: {said}".removesuffix(": ")
