"""Find a task by name. A new benchmark is one file, and one line here."""

from difflib import get_close_matches

from tasks import glue, mini, squad, superglue
from tasks.task import Task

TASKS: dict[str, Task] = {
    task.name: task for task in [*glue.ALL, *superglue.ALL, *squad.ALL, *mini.ALL]
}


class UnknownTask(LookupError):
    """A spec or a command names a task that is not registered."""

    def __init__(self, name: str) -> None:
        near = get_close_matches(name.lower(), TASKS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"the tasks are {', '.join(names())}"
        super().__init__(
            f"no task is named {name!r}: {hint}; one of your own is named by its YAML file"
        )


def get(name: str) -> Task:
    """Return the task called `name`.

    Raises:
        UnknownTask: there is none; the message offers the nearest name.
    """
    try:
        return TASKS[name]
    except KeyError:
        raise UnknownTask(name) from None


def names() -> list[str]:
    """Return all task names, sorted."""
    return sorted(TASKS)


def all_tasks() -> list[Task]:
    """Return all tasks, sorted by name."""
    return [TASKS[name] for name in names()]
