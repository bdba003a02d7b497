"""Questions to lineage on the command line: quick, good to copy from, and one form at a time."""

import csv
import io
import json
import os
import re
import shlex
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from flows.cli import app
from flows.provenance import NoMoment, moment
from pipelines.baseline_spec import BaselineSpec
from pipelines.going_on import AGAIN, next_step
from pipelines.group_spec import GroupSpec
from pipelines.recording import MadePrompt, ScoreInfo
from pipelines.records import BackboneInfo, DatasetInfo, Environment, Request
from pipelines.spec import AdaptSpec, ImportSpec

ROOT = Path(__file__).parents[2]
LIGHT = """
import sys
sys.argv = ["prompt-transfer", *sys.argv[1:]]
from flows.cli import main
try:
    main()
except SystemExit as ended:
    assert not ended.code
sys.stderr.write(" ".join({name.partition(".")[0] for name in sys.modules}))
"""
HEAVY = {"torch", "mlflow", "prefect", "alembic", "pydantic", "numpy", "pandas", "tasks"}


def sha(name):
    return sha256(name.encode()).hexdigest()


ON = BackboneInfo(sha("b"), "models/[bold]b", 8, 2, 2, parameters=10)


def data(task, split):
    return DatasetInfo(sha(f"{task} {split}"), task, split, "generated", 40)


def request(stage, task, name, reads=None, datasets=("train", "validation")):
    return Request(
        stage=stage, sha=sha(f"{stage} {name}"), spec={"task": task, "steps": 3, "batch_size": 4},
        seed=0, task=task, environment=Environment("cpu", 1), backbone=ON, reads=reads or {},
        datasets={split: [data(task, split)] for split in datasets},
    )  # fmt: skip


def train(lineage, stage, task, name, kind, value, reads=None):
    with lineage.record(request(stage, task, name, reads)) as run:
        run.prompt = MadePrompt(sha(name), kind, 4, 8, bytes=1)
        score = ScoreInfo(data(task, "validation"), "accuracy", value, 40, is_primary=True)
        run.scores.append(score)
    return run.id


@pytest.fixture(scope="module")
def known(lineage_home):
    """A home with a source prompt, its target, one from scratch, and a run that failed twice."""
    home = lineage_home()
    lineage = home.lineage()
    train(lineage, "learn", "multitask", "s", "source", 50.0)
    reads = {"source": [sha("s")]}
    train(lineage, "adapt", "rte", "p", "target", 60.0, reads)
    train(lineage, "teach", "rte", "scratch", "teacher", 70.0)
    error = ValueError("no \x1b[31m[bold]way")
    for _ in range(2):
        with pytest.raises(ValueError, match="way"), lineage.record(request("adapt", "cb", "x")):
            raise error
    lineage.close()
    return home


COMMANDS = {
    "lineage {p}": "ancestry", "lineage {p} --down": "descent", "impact {s}": "impact",
    "compare {p} {scratch}": "compare", "matrix": "matrix", "cost": "cost", "cost {p}": "cost",
    "shared {s}": "shared", "failures --since 7d": "failures",
}  # fmt: skip


def words(line):
    return line.format(**{name: sha(name) for name in ("p", "s", "scratch")}).split()


@pytest.mark.parametrize("line", COMMANDS)
def test_each_question_is_answered_in_each_form(line, known):
    as_json = known.run(*words(line), "--json").json
    assert as_json
    assert all(isinstance(one, dict) for one in as_json)
    as_csv = known.run(*words(line), "--csv").out
    read = list(csv.DictReader(io.StringIO(as_csv)))
    assert [list(one) for one in read] == [list(one) for one in as_json]
    first = {name: "" if value is None else str(value) for name, value in as_json[0].items()}
    assert read[0] == first
    assert known.run(*words(line)).out
    printed = known.run(*words(line), "--sql").out
    assert printed.endswith((ROOT / f"pipelines/sql/{COMMANDS[line]}.sql").read_text())
    assert all(row.startswith(".parameter set :") for row in printed.split("--")[0].splitlines())


@pytest.mark.parametrize("forms", ["--json --csv", "--csv --sql", "--sql --json"])
def test_two_forms_at_once_are_refused_in_one_line(forms, known):
    said = known.run("failures", *forms.split())
    assert (said.status, said.out) == (2, "")
    assert re.fullmatch(r"prompt-transfer: --\w+ and --\w+ are given: .*\n", said.err)


@pytest.mark.parametrize("line", [
    "lineage abcdef12", "impact 'OR'1'='1", "shared %", "compare {p} abcdef12", "cost abcdef12",
    "matrix --backbone nobody", "lineage [bold]abcdef",
])  # fmt: skip
def test_what_is_not_there_is_one_line_and_status_3(line, known):
    said = known.run(*words(line))
    assert (said.status, said.out, said.err.count("\n")) == (3, "", 1)
    assert "id" in said.err


@pytest.mark.parametrize("line", [
    "failures --since yesterday", "failures --limit 0", "cost --limit x", "impact", "compare {p}",
])  # fmt: skip
def test_a_wrong_command_line_is_one_line_and_status_2(line, known):
    said = known.run(*words(line))
    assert (said.status, said.out, said.err.count("\n")) == (2, "", 1)


def test_ids_are_whole_however_narrow_the_terminal_is(known, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    assert sha("p") in known.run("impact", sha("s")).out
    assert all(one in known.run("cost").out for one in map(sha, ("p", "s", "scratch")))
    tree = known.run("lineage", sha("p")).out
    assert "└── source: source prompt for multitask" in tree
    assert sha("s")[:12] in tree
    assert "backbone models/[bold]b" in tree


def test_a_tree_may_go_down_and_counts_what_it_does_not_print(known):
    tree = known.run("lineage", sha("s"), "--down").out
    assert tree.startswith("asked for: source prompt for multitask")
    assert "read as source by: adapt rte" in tree
    assert f"made: target prompt for rte {sha('p')[:12]}" in tree
    assert known.run("lineage", sha("s"), "--up").out == known.run("lineage", sha("s")).out


def test_a_tree_of_many_prints_some_and_counts_the_others(lineage_home):
    home = lineage_home()
    lineage = home.lineage()
    train(lineage, "learn", "multitask", "s", "source", 50.0)
    for number in range(25):
        train(lineage, "adapt", "rte", f"p{number}", "target", 60.0, {"source": [sha("s")]})
    lineage.close()
    tree = home.run("lineage", sha("s"), "--down").out
    assert "└── and 5 more, which --csv and --json print" in tree
    assert sum("adapt rte" in line for line in tree.splitlines()) == 20


def test_failures_are_told_without_what_would_move_the_cursor(known):
    out = known.run("failures").out
    assert "\x1b" not in out
    assert "ValueError: no \\x1b[31m[bold]way" in out
    assert "2 of 2" in out
    assert (
        known.run("failures", "--since", "2999-01-01").out == "no run has failed or was abandoned\n"
    )


def test_the_matrix_stands_side_by_side(known):
    lines = known.run("matrix").out.splitlines()
    assert lines[0].split() == ["sources", "rte"]
    assert "-10.0? n=1|1 v" in lines[1]


def test_a_comparison_says_what_is_equal_and_how_sure_a_difference_is(known):
    out = known.run("compare", sha("p"), sha("scratch")).out
    assert re.search(r"stage +adapt +teach", out)
    assert re.search(r"data +train rte +40 +40 +[0-9a-f]{64}", out)
    assert re.search(r"validation accuracy on rte +60.00 +70.00 +-10.00", out)


def test_who_reads_may_stop_reading(known):
    line = f"{sys.executable} -m flows lineage {sha('p')} --csv | head -1"
    asked = subprocess.run(line, shell=True, cwd=ROOT, capture_output=True, text=True, check=True,
                           env={**os.environ, **known.settings})  # fmt: skip
    assert asked.stdout.startswith("generation,type,id,role")
    assert asked.stderr == ""


@pytest.mark.parametrize("line", ["lineage {p}", "failures --json", "impact {s} --csv", "cost"])
def test_a_question_imports_nothing_heavy(line, known):
    asked = subprocess.run(
        [sys.executable, "-c", LIGHT, *words(line)], capture_output=True, text=True, check=True,
        env={**os.environ, **known.settings, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert asked.stdout
    loaded = set(asked.stderr.split())
    assert "pipelines" in loaded
    assert not loaded & {*HEAVY, "sqlalchemy"}


def test_a_moment_is_an_age_or_a_date():
    now = moment("2025-01-31T12:00:00+00:00", None)
    assert moment("30m", now).isoformat() == "2025-01-31T11:30:00+00:00"
    assert moment("12h", now).isoformat() == "2025-01-31T00:00:00+00:00"
    assert moment("1w", now) == moment("7d", now) == moment("2025-01-24T12:00", now)
    for wrong in ("", "7", "d", "-1d", "7 d", "1e3d", "999999w", "2025-13-01", "７d", "7d; --"):
        with pytest.raises(NoMoment):
            moment(wrong, now)


# How to go on


def failed(stage, spec, task="rte", later="none"):
    return {"stage": stage, "task": task, "spec": json.dumps(spec), "later": later,
            "later_id": "a" * 32, "source_sha": "b" * 64}  # fmt: skip


def parsed(line):
    """Return what the command line makes of a line that was printed."""
    _, bound, _ = app.parse_args(shlex.split(line)[1:], exit_on_error=False, print_error=False)
    return bound


def test_the_command_that_is_printed_asks_for_the_same_run():
    spec = AdaptSpec(task="rte", backbone="models/a b", steps=7, seed=3, weight_decay=1e-7,
                     patience=2, freeze_shared=True, start="cb")  # fmt: skip
    line = next_step(failed("adapt", spec.model_dump(mode="json")))
    assert line.startswith(f"prompt-transfer adapt rte --from {'b' * 64} --")
    assert " --backbone 'models/a b' " in line
    bound = parsed(line)
    assert bound.kwargs["options"].specs(bound.args) == [spec]
    assert bound.kwargs["source"] == "b" * 64
    group = GroupSpec(tasks=["rte", "cb"], steps=7, sampling_cap=9)
    bound = parsed(next_step(failed("adapt", group.model_dump(mode="json"), task="group")))
    assert bound.kwargs["options"].group(bound.args) == group
    assert bound.kwargs["together"] is True


def test_a_baseline_an_import_and_an_export_are_told_too():
    spec = BaselineSpec(task="rte", method="lora", steps=5, rank=2)
    bound = parsed(next_step(failed("baseline", spec.model_dump(mode="json"))))
    assert bound.kwargs["options"].specs(bound.args, bound.kwargs["method"]) == [spec]
    taken = ImportSpec(tasks=["rte", "cb"], adapter="c" * 64, validation_rows=9)
    line = next_step(failed("import", taken.model_dump(mode="json")))
    assert parsed(line).kwargs["task"] == ["rte", "cb"]
    assert next_step(failed("export", {})) == f"prompt-transfer export {'b' * 64} --to FOLDER"


def test_where_no_command_can_be_told_it_says_so_and_where_none_is_needed_nothing():
    assert next_step(failed("learn", {})) == "prompt-transfer learn SPEC"
    drawn = {"task": "rte", "steps": 3, "draw": {"shots": 4}}
    for one in (failed("teach", {"task": "rte"}), failed("adapt", drawn), failed("few_shot", {})):
        assert next_step(one) == AGAIN
    assert next_step(failed("adapt", {"task": "rte", "place": 0})) == AGAIN  # a group's member
    assert next_step(failed("adapt", drawn, later="completed")) is None
    assert next_step(failed("adapt", drawn, later="running")) == f"wait for run {'a' * 12}"
    own = {"task": "visits", "steps": 3, "definitions": [{"name": "visits"}]}
    assert next_step(failed("adapt", own)).endswith("  # visits: give the YAML file of it")
