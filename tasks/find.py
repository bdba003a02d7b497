"""A task by its name, or by the file that defines it."""

from pathlib import Path

from tasks import registry
from tasks.task import Task


def is_file(name: str) -> bool:
    """Say whether `name` is the file of a user's own task, and not the name of a registered one."""
    return name.endswith((".yaml", ".yml"))


def find(name: str) -> Task:
    """Return the task called `name`, or the user's own task that the file `name` defines.

    Raises:
        UnknownTask: no task has this name.
        BadDefinition: the file is not there, or says something that makes no sense.
    """
    if not is_file(name):
        return registry.get(name)
    from tasks.own.task import load  # pydantic, which no question about registered tasks needs

    return load(Path(name))
