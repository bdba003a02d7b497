"""What stands as an example in a served model."""

import json

import pytest

import tasks
from tasks.sample import sample
from tasks.unlabelled import ask, columns
from tasks.variants import variants

EVERY = {task.name: task for task in tasks.all_tasks()}
EVERY |= {name: make(task) for task in EVERY.values() for name, make in variants(task).items()}


@pytest.mark.parametrize("name", EVERY)
def test_the_sample_of_a_task_is_a_row_that_it_reads(name):
    task = EVERY[name]
    row = sample(task)
    assert tuple(row) == columns(task)
    assert json.loads(json.dumps(row)) == row
    text = ask(task, row)
    for cell in row.values():
        if isinstance(cell, str) and "wsc" not in name and "attempt" not in name:
            assert cell in text


def test_the_spans_of_wsc_are_where_it_looks_for_them():
    text = ask(tasks.get("wsc"), sample(tasks.get("wsc")))
    assert text == "wsc text: * Anna * moved the meeting because # she # was ill."
