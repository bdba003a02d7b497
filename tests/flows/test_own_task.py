"""A user's own task, from rows to a tested prompt: command line, Prefect, documentation."""

import os
import re
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest
import yaml

from flows.settings import open_services

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "own_tasks.md").read_text(encoding="utf-8")
QUICK = ("--steps", "2", "--batch-size", "4", "--validations", "1", "--backbone")
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


def block(kind, number=0):
    """Return one of the guide's blocks of code."""
    return re.findall(rf"```{kind}\n(.*?)```", GUIDE, re.DOTALL)[number]


@pytest.fixture
def visits(tmp_path, monkeypatch):
    """The guide's rows, in the folder that we stand in."""
    (tmp_path / "visits.csv").write_text(block("csv"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_guide_shows_what_is_proposed_and_what_is_checked(home, visits, tiny_backbone):
    said = home.run("tasks", "new", "visits.csv", "--to", "visits.yaml")
    assert said.status == 0, said.err
    assert (visits / "visits.yaml").read_text(encoding="utf-8") == block("yaml")
    checked = home.run("tasks", "check", "visits.yaml", "--backbone", tiny_backbone)
    assert checked.status == 0, checked.err
    assert "visits: classification, 16 train rows" in checked.out
    assert home.run("tasks", "visits.yaml", "--json").json["labels"] == ["bad", "good"]
    again = home.run("tasks", "new", "visits.csv", "--to", "visits.yaml")
    assert (again.status, again.err.count("\n")) == (2, 1)
    assert "is not written (File exists)" in again.err


def test_what_is_wrong_with_rows_is_told_and_is_status_2(home, visits, tiny_backbone):
    home.run("tasks", "new", "visits.csv", "--to", "visits.yaml")
    with (visits / "visits.csv").open("a") as file:
        file.write("17,a remark,goood\n")
    said = home.run("tasks", "check", "visits.yaml", "--backbone", tiny_backbone)
    assert said.status == 2
    assert "visits.csv, row 17: column 'mood' is 'goood'" in said.out
    assert said.err == (
        "prompt-transfer: visits.yaml: 1 error(s), told above: mend them, and check again\n"
    )
    found = home.run("tasks", "check", "visits.yaml", "--backbone", tiny_backbone, "--json").json
    assert found["rows"] == {"train": 16}
    assert [one["level"] for one in found["findings"]] == ["error"]
    for command in ("adapt", "few-shot"):
        refused = home.run(command, "visits.yaml")
        assert (refused.status, refused.err.count("\n")) == (2, 1)
        assert "row 17" in refused.err
    assert home.query("SELECT id FROM run") == []


def test_it_is_adapted_to_and_is_asked_for_by_name_or_file(after_transfer, visits, tiny_backbone):
    home = after_transfer
    home.run("tasks", "new", "visits.csv", "--to", "visits.yaml")
    said = home.run("adapt", "visits.yaml", *QUICK, tiny_backbone, "--json")
    assert said.status == 0, said.err
    (adapted,) = said.json
    assert adapted["task"] == "visits"
    assert adapted["version"].endswith(".visits/1")
    assert adapted["unregistered"] == ""
    for asked in ("visits", "visits.yaml"):
        best = home.run("best", asked, "--json").json
        assert best["prompt"] == adapted["prompt"]
        assert home.run("best", asked, "--from-mlflow", "--json").json == best
    assert home.run("lineage", adapted["prompt"]).status == 0


def test_prefect_runs_it_from_json(after_transfer, visits, tiny_backbone, tiny_lm):
    from flows.few_shot import few_shot
    from flows.transfer import adapt_target

    home = after_transfer
    home.run("tasks", "new", "visits.csv", "--to", "visits.yaml")
    asked = {"task": str(visits / "visits.yaml"), "backbone": tiny_backbone, "steps": 1,
             "batch_size": 2, "validations": 1, "learning_rate": 1}  # fmt: skip
    with mock.patch.dict(os.environ, home.settings):
        found = adapt_target(targets=[asked], source="best")
    assert len(found.trials) == 1
    assert home.query("SELECT count(*) FROM run WHERE task = 'visits'") == [(2,)]
    steps = {"steps": 1, "batch_size": 2, "validations": 1}
    plan = {"tasks": [asked["task"]], "backbone": tiny_lm, "draws": 1, "shots": 2,
            "context": steps, "tuning": steps}  # fmt: skip
    with mock.patch.dict(os.environ, home.settings):
        (found,) = few_shot(plan=plan, front=None).tasks
    assert sorted(found.trials) == ["CPT", "in-context learning", "prompt tuning"]
    bad = {"tasks": [str(visits / "none.yaml")], "draws": 1}
    with (
        mock.patch.dict(os.environ, home.settings),
        pytest.raises(ValueError, match=r"none.yaml: it cannot be read"),
    ):
        few_shot(plan=bad, front=None)


def test_the_readmes_python_runs(home, tiny_backbone, capsys):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    code = code.replace("steps=60", f"steps=1, backbone={tiny_backbone!r}")
    with mock.patch.dict(os.environ, home.settings):
        exec(compile(code, "README.md", "exec"), {})
    assert "accuracy" in capsys.readouterr().out


def test_the_guides_python_runs(after_transfer, visits, tiny_backbone, capsys):
    home = after_transfer
    home.run("tasks", "new", "visits.csv", "--to", "visits.yaml")
    code = block("python").replace("steps=60", f"steps=1, backbone={tiny_backbone!r}")
    code = code.replace("EvaluateSpec(", f"EvaluateSpec(backbone={tiny_backbone!r}, ")
    with mock.patch.dict(os.environ, home.settings):
        exec(compile(code, "own_tasks.md", "exec"), {})
    assert "accuracy" in capsys.readouterr().out


@pytest.mark.parametrize(
    "command", ["tasks", "tasks rte", "tasks new --help", "tasks check --help"]
)
def test_a_list_of_tasks_waits_for_nothing_heavy(command, home):
    asked = subprocess.run(
        [sys.executable, "-c", LIGHT, *command.split()],
        env={**os.environ, **home.settings, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert asked.stdout
    heavy = {"torch", "pydantic", "numpy", "datasets", "sqlalchemy", "yaml", "pyarrow"}
    assert not set(asked.stderr.split()) & heavy


def test_rows_that_are_edited_are_read_anew_by_a_process_that_lives_on(home, visits):
    home.run("tasks", "new", "visits.csv", "--to", "visits.yaml")
    (visits / "data" / "rte").mkdir(parents=True)
    row = '{"sentence1": "a", "sentence2": "b", "label": 0}\n'
    for split in ("train", "validation"):
        (visits / "data" / "rte" / f"{split}.jsonl").write_text(row * 4)
    edited = {
        "visits.yaml": (visits / "visits.csv", "soup"),
        "rte": (visits / "data" / "rte" / "train.jsonl", '"a"'),
    }
    settings = home.settings | {"PROMPT_TRANSFER_DATA": str(visits / "data")}
    with mock.patch.dict(os.environ, settings), open_services() as svc:
        for task, (file, word) in edited.items():
            before = svc.task(task)
            assert svc.task(task) is before
            file.write_text(file.read_text().replace(word, word.upper()))
            assert svc.task(task).info("train").sha != before.info("train").sha


def test_a_generated_task_of_any_size_is_adapted_to(after_transfer, visits, tiny_backbone):
    home = after_transfer
    said = home.run("tasks", "generate", "mini_deed", "--seed", "7", "--train", "40",
                    "--validation", "4", "--test", "5", "--to", "deed7.yaml")  # fmt: skip
    assert said.status == 0, said.err
    assert home.run("tasks", "check", "deed7.yaml", "--backbone", tiny_backbone).status == 0
    (found,) = home.run("tasks", "deed7.yaml", "--stats", "--json").json
    assert found["rows"] == {"train": 40, "validation": 4, "test": 5}
    (adapted,) = home.run("adapt", "deed7.yaml", *QUICK, tiny_backbone, "--json").json
    assert adapted["task"] == "deed7"
    again = home.run("tasks", "generate", "mini_deed", "--to", "deed7.yaml")
    assert (again.status, again.err.count("\n")) == (2, 1)
    assert "deed7.train.jsonl is not written (File exists)" in again.err
    for wrong in (["rte"], ["mini_deed", "--train", "0"], ["x" * 300]):
        refused = home.run("tasks", "generate", *wrong, "--to", "other.yaml")
        assert (refused.status, refused.err.count("\n")) == (2, 1)


NAMES = ["../../etc/passwd", "x'; DROP TABLE run; --", "a\x1b[2Jb", "a/../../b.yaml", "x" * 400]


ON_NAMES = (
    "adapt", "adapt --together rte", "few-shot", "baseline", "best", "best --from-mlflow", "tasks",
    "tasks --stats", "tasks check", "tasks generate --to x.yaml", "run", "learn",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("command", ON_NAMES)
def test_a_name_that_is_none_is_refused_and_quoted(command, name, home, tiny_backbone):
    said = home.run(*command.split(), name)
    assert said.status == 2, said
    assert said.err.count("\n") == 1
    assert said.err.strip().isprintable()
    assert home.query("SELECT id FROM run") == []


SPECS = [
    "a: 2021-99-99\n", "a: 0b_\n", "[" * 2000, "sources: &x [rte]\ntargets: *x\n",
    "? [a]\n: b\n", "sources: [x.yaml]\ntargets: [cola]\n",
    '"\\e[2J\\e[31mx": 1\n',
    "seeds: [0]\nsources: [\"\\ud800\"]\ntargets: [rte]\n",
]  # fmt: skip


@pytest.mark.parametrize("text", SPECS)
def test_a_strange_spec_is_refused_before_anything_runs(text, home):
    said = home.run("learn", home.write(text))
    assert said.status == 2, said
    assert said.err.count("\n") == 1
    assert said.err.strip().isprintable()
    assert home.query("SELECT id FROM run") == []


def test_an_own_source_may_be_what_a_target_starts_from(home, visits, spec, tiny_backbone):
    home.run("tasks", "new", "visits.csv", "--to", "visits.yaml")
    asked = spec | {"sources": ["rte", "visits.yaml"], "adapt": {"steps": 1, "start": "calls"}}
    said = home.run("run", home.write(yaml.safe_dump(asked)))
    assert said.status == 2
    assert "give average, identity or one of rte, visits" in said.err
