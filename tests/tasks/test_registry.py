"""Tasks by name, and what importing them costs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import tasks
from tasks import glue, mini, squad, superglue
from tasks.task import Hub

HEAVY = ("datasets", "pandas", "sklearn", "scipy", "numpy", "pyarrow", "torch", "huggingface_hub")
NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"


def test_a_task_is_found_by_its_name():
    assert tasks.get("sst2") is glue.SST2
    assert tasks.names() == sorted(task.name for task in tasks.all_tasks())


def test_no_two_tasks_share_a_name():
    every = [*glue.ALL, *superglue.ALL, *squad.ALL, *mini.ALL]
    assert len({task.name for task in every}) == len(every) == len(tasks.all_tasks())


def test_the_benchmarks_are_whole():
    by_benchmark = {"glue": glue, "superglue": superglue, "squad": squad, "mini": mini}
    for benchmark, module in by_benchmark.items():
        assert {task.benchmark for task in module.ALL} == {benchmark}
    assert (len(glue.ALL), len(superglue.ALL), len(squad.ALL)) == (9, 8, 1)


@pytest.mark.parametrize(
    ("name", "hint"),
    [("mmli", "did you mean 'mnli'?"), ("SST2", "did you mean 'sst2'?"), ("xyz", "the tasks are")],
)
def test_an_unknown_task_is_answered_with_the_nearest_name(name, hint):
    with pytest.raises(tasks.UnknownTask) as caught:
        tasks.get(name)
    assert f"no task is named {name!r}: {hint}" in str(caught.value)


def test_every_published_source_is_pinned_to_a_commit():
    hubs = [task.source for task in tasks.all_tasks() if isinstance(task.source, Hub)]
    assert len(hubs) == 18
    assert all(len(source.revision) == 40 for source in hubs)
    assert all(set(source.revision) <= set("0123456789abcdef") for source in hubs)


def test_importing_tasks_is_cheap(tmp_path):
    # Less what the standard library costs, which every command pays anyway; the best of four,
    # of which the first compiles, as installing a wheel does.
    code = (
        "import csv, dataclasses, difflib, gzip, hashlib, json, pathlib, random, string, sys\n"
        "from time import perf_counter as clock\n"
        "start = clock(); import tasks; spent = clock() - start\n"
        f"print(spent, *[name for name in {HEAVY} if name in sys.modules])"
    )
    command = [sys.executable, "-X", f"pycache_prefix={tmp_path}", "-c", code]
    root = Path(tasks.__file__).parents[1]
    compiled = {name: value for name, value in os.environ.items() if name != NO_BYTECODE}
    answers = [
        subprocess.check_output(command, cwd=root, env=compiled, text=True).split()
        for _ in range(4)
    ]
    assert [answer[1:] for answer in answers] == [[]] * 4
    assert min(float(answer[0]) for answer in answers) < 0.060
