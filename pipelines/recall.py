"""A task as a run knew it: a registered one, or a user's own, whose definition the run recorded."""

from pathlib import Path

import tasks
from pipelines.records import RunRecord
from tasks import Task


def recall(run: RunRecord, name: str) -> Task:
    """Return the task `name` that `run` was about; of a user's own, without its rows.

    Raises:
        UnknownTask: this program has no such task, and the run recorded no definition of it.
    """
    for definition in run.spec.get("definitions", ()):
        if definition["name"] == name:
            from tasks.own.definition import Definition
            from tasks.own.task import make

            return make(Definition.model_validate(definition), Path())
    return tasks.get(name)
