"""Find a task by name. A new benchmark is one file, and one line here."""

from difflib import get_close_matches
from itertools import chain

from tasks import cpt, diagnostics, glue, mini, mrqa, nlg, others, squad, superglue
from tasks.task import Task
from tasks.variants import variants

BENCHMARKS = (glue, superglue, diagnostics, squad, mrqa, others, nlg, cpt, mini)
TASKS: dict[str, Task] = {
    task.name: task for task in chain.from_iterable(one.ALL for one in BENCHMARKS)
}


class UnknownTask(LookupError):
    """A spec or a command names a task that is not registered."""

    def __init__(self, name: str) -> None:
        every = [*TASKS, *chain.from_iterable(map(variants, TASKS.values()))]
        near = get_close_matches(name.lower(), every, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"the tasks are {', '.join(names())}"
        super().__init__(
            f"no task is named {name!r}: {hint}; one of your own is named by its YAML file"
        )


def has(name: str) -> bool:
    """Say whether a task, or a variant of one, is called `name`."""
    base = TASKS.get(name.rpartition("-")[0])
    return name in TASKS or (base is not None and name in variants(base))


def get(name: str) -> Task:
    """Return the task called `name`, or a variant, such as `rte-numbers`; see `tasks.variants`.

    Raises:
        UnknownTask: there is none; the message offers the nearest name.
    """
    if not has(name):
        raise UnknownTask(name)
    if name in TASKS:
        return TASKS[name]
    base = TASKS[name.rpartition("-")[0]]
    return variants(base)[name](base)


def names() -> list[str]:
    """Return all task names, sorted."""
    return sorted(TASKS)


def all_tasks() -> list[Task]:
    """Return all tasks, sorted by name."""
    return [TASKS[name] for name in names()]
