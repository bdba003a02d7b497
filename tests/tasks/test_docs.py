"""docs/tasks.md says of each task what its value in code says."""

from pathlib import Path

import pytest

import tasks
from tasks.task import Hub

LINES = (Path(tasks.__file__).parents[1] / "docs" / "tasks.md").read_text().splitlines()
PUBLISHED = [task for task in tasks.all_tasks() if task.benchmark != "mini"]


@pytest.mark.parametrize("task", PUBLISHED, ids=lambda task: task.name)
def test_the_table_has_the_facts_of_each_task(task):
    (line,) = [line for line in LINES if line.startswith(f"| `{task.name}` |")]
    _, benchmark, rows, revision, answers, metrics, _, licence = line.strip("| ").split(" | ")
    assert (benchmark, licence) == (task.benchmark, task.licence)
    assert answers == (", ".join(task.labels) or "free text")
    assert metrics == ", ".join(task.metrics)
    if isinstance(task.source, Hub):
        assert rows == " ".join(filter(None, (f"`{task.source.path}`", task.source.subset)))
        pinned = task.source.revision
        assert revision == "newest" if pinned is None else pinned.startswith(revision.strip("`"))


def test_the_table_names_no_other_task():
    named = [line.split("`")[1] for line in LINES if line.startswith("| `")]
    assert sorted(named) == sorted(task.name for task in PUBLISHED)
