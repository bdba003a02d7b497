"""Tasks by name, and what importing them costs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import tasks
from tasks import cpt, diagnostics, glue, mini, mrqa, nlg, others, squad, superglue
from tasks.hub import is_commit
from tasks.task import Hub

HEAVY = ("datasets", "pandas", "sklearn", "scipy", "numpy", "pyarrow", "torch", "huggingface_hub")
BENCHMARKS = (glue, superglue, diagnostics, squad, mrqa, others, nlg, cpt, mini)
NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"


def test_a_task_is_found_by_its_name():
    assert tasks.get("sst2") is glue.SST2
    assert tasks.names() == sorted(task.name for task in tasks.all_tasks())


def test_no_two_tasks_share_a_name():
    every = [task for benchmark in BENCHMARKS for task in benchmark.ALL]
    assert len({task.name for task in every}) == len(every) == len(tasks.all_tasks())


def of(benchmark):
    return {task.name for task in tasks.all_tasks() if task.benchmark == benchmark}


def test_the_benchmarks_are_whole():
    for module in (glue, superglue, squad, mrqa, others, nlg, cpt, mini):
        assert {f"tasks.{task.benchmark}" for task in module.ALL} == {module.__name__}
    assert of("glue") == {
        "cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "mnli_mm", "qnli", "rte", "wnli", "ax",
    }  # fmt: skip
    assert of("superglue") == {
        "boolq", "cb", "copa", "multirc", "record", "superglue_rte", "wic", "wsc", "ax_b", "ax_g",
    }  # fmt: skip
    assert [len(one.ALL) for one in (squad, mrqa, others, nlg, cpt)] == [1, 4, 4, 2, 4]


@pytest.mark.parametrize(
    ("name", "hint"),
    [("mmli", "did you mean 'mnli'?"), ("SST2", "did you mean 'sst2'?"), ("xyz", "the tasks are")],
)
def test_an_unknown_task_is_answered_with_the_nearest_name(name, hint):
    with pytest.raises(tasks.UnknownTask) as caught:
        tasks.get(name)
    assert f"no task is named {name!r}: {hint}" in str(caught.value)


def test_every_source_is_pinned_to_a_commit_but_those_that_no_public_code_pins():
    hubs = {task.name: task.source for task in tasks.all_tasks() if isinstance(task.source, Hub)}
    assert len(hubs) == 35
    open_ = {name: one.revision for name, one in hubs.items() if not is_commit(one.revision)}
    assert open_ == {
        "hotpotqa": None, "newsqa": None, "scitail": None,
        "e2e": "refs/convert/parquet", "webnlg": "refs/convert/parquet",
    }  # fmt: skip


def test_every_task_says_its_licence_and_who_made_it():
    for task in tasks.all_tasks():
        assert task.licence
        assert bool(task.citation) == (task.benchmark != "mini")


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
