"""The commands that only ask: right, quick, and good to copy from."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = {
    "torch", "transformers", "mlflow", "prefect", "alembic", "pydantic", "numpy", "pandas",
    "sklearn", "matplotlib", "datasets", "sqlalchemy",
}  # fmt: skip
LOADED = """
import sys
sys.argv = ["prompt-transfer", *sys.argv[1:]]
from flows.cli import main
try:
    main()
except SystemExit as ended:
    assert not ended.code
sys.stderr.write(" ".join({name.partition(".")[0] for name in sys.modules}))
sys.stderr.write(" report" if "pipelines.report" in sys.modules else "")
"""


@pytest.mark.parametrize("command", ["--help", "best cola", "lineage {prompt}", "methods"])
def test_a_question_imports_nothing_that_it_does_not_need(command, transferred):
    home = transferred[0]
    prompt = home.run("best", "cola", "--json").json["prompt"]
    asked = subprocess.run(
        [sys.executable, "-c", LOADED, *command.format(prompt=prompt).split()],
        env={**os.environ, **home.settings, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    loaded = set(asked.stderr.split())
    assert asked.stdout
    assert "flows" in loaded
    assert not loaded & (HEAVY | {"report"})


@pytest.mark.parametrize("task", ["cola", "cb", "rte", "multitask"])
def test_lineage_and_mlflow_name_the_same_best_prompt(task, transferred):
    home = transferred[0]
    from_sql = home.run("best", task, "--json")
    from_mlflow = home.run("best", task, "--from-mlflow", "--json")
    assert from_sql.status == from_mlflow.status == 0
    assert from_sql.json == from_mlflow.json
    assert from_sql.json["version"]


def test_an_mlflow_that_is_down_is_one_line_and_try_again(transferred):
    said = transferred[0].run("best", "cola", "--from-mlflow", mlflow_url="http://127.0.0.1:9")
    assert said.status == 75
    assert said.err.startswith("prompt-transfer: MLflow failed")
    assert said.err.count("\n") == 1


@pytest.mark.parametrize("columns", ["40", "80"])
def test_digests_are_whole_however_narrow_the_terminal_is(columns, transferred, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    home = transferred[0]
    best = home.run("best", "cola", "--json").json
    for digest in (best["prompt"], best["backbone_sha"], best["lineage"]):
        assert digest in home.run("best", "cola").out


def test_lineage_prints_a_prompt_with_all_that_it_came_from(transferred):
    home = transferred[0]
    target = home.query("SELECT sha FROM prompt WHERE kind = 'target' AND task = 'cb'")[0][0]
    out = home.run("lineage", target).out
    assert out.startswith(f"asked for: target prompt for cb {target[:12]}")
    for role, kind in (("source", "source"), ("teacher", "teacher")):
        for (sha,) in home.query(f"SELECT sha FROM prompt WHERE kind = '{kind}'"):
            if kind == "source" or home.query(
                f"SELECT 1 FROM run_prompt WHERE prompt_sha = '{sha}' AND role = '{role}'"
            ):
                assert f"{role}: {kind} prompt for" in out
                assert sha[:12] in out
    links = home.run("lineage", target, "--json").json
    assert {one["id"] for one in links if one["role"] == "asked for"} == {target}
    (made,) = [one for one in links if (one["role"], one["of_id"]) == ("made by", target)]
    assert made["title"] == "adapt cb"
    assert home.run("lineage", target[:6], "--json").json == links
    below = home.run("lineage", made["id"], "--down", "--json").json
    assert {made["id"], target} <= {one["id"] for one in below}


def test_tasks_lists_describes_and_shows_rows(home):
    listed = home.run("tasks", "--json").json
    assert {"cola", "mini_review", "squad"} <= {one["name"] for one in listed}
    assert "cola" in home.run("tasks").out
    shown = home.run("tasks", "cola", "--show", "2", "--json").json
    assert [row["input"] for row in shown["rows"]] == [
        "cola sentence: word 0 of a sentence", "cola sentence: word 1 of a sentence",
    ]  # fmt: skip
    text = home.run("tasks", "cola", "--show", "1").out
    assert "24 train, 12 validation, 12 test rows" in text
    assert "cola sentence: word 0 of a sentence" in text


def test_a_list_of_tasks_is_not_cut_at_80_columns_and_help_says_where_rows_are(home):
    listed = home.run("tasks").out
    assert "…" not in listed
    assert any(line.startswith("set_classification  cpt") for line in listed.splitlines())
    assert "transportation, building, nature" in listed
    assert "DIR/TASK/SPLIT.jsonl" in home.run("tasks", "--help").out


def test_a_row_is_shown_without_what_would_move_the_cursor(home, write_data, tmp_path):
    data = write_data(tmp_path / "data")
    file = data / "cola" / "train.jsonl"
    file.write_text('{"sentence": "a\\u001b[2Jb [bold]c\\nd", "label": 0}\n' + file.read_text())
    shown = home.run("tasks", "cola", "--show", "1", data=data).out
    assert "input   cola sentence: a\\x1b[2Jb [bold]c\\nd\n" in shown


def test_a_task_is_described_by_its_columns_and_its_template(home):
    told = home.run("tasks", "rte").out
    assert "columns: sentence1, sentence2, label\nreads: rte sentence1: {sentence1} sent" in told
    said = home.run("tasks", "rte", "--json").json["definition"]
    assert said["splits"]["validation"] == said["splits"]["test"] == "validation"


def test_tasks_counts_rows_and_labels_and_names_the_tasks_that_have_none(home):
    counted = {one["task"]: one for one in home.run("tasks", "--stats", "--json").json}
    assert counted["cola"]["rows"] == {"train": 24, "validation": 12, "test": 12}
    assert counted["cola"]["shares"] == {"unacceptable": 50.0, "acceptable": 50.0}
    assert counted["cola"]["majority"] == 0.0
    assert counted["squad"]["absent"] == "no train rows in the folder"
    text = home.run("tasks", "--stats").out
    assert "unacceptable 50.0, acceptable 50.0" in text
    assert "wnli, wsc, yelp: no train rows in the folder" in text
    (one,) = home.run("tasks", "rte", "--stats", "--json").json
    assert one["task"] == "rte"


def test_tasks_tells_where_a_task_comes_from_and_knows_its_variants(home):
    told = home.run("tasks", "paws").out
    assert "google-research-datasets/paws labeled_final @ 161ece95" in told
    assert "licence: free for any purpose; the authors ask to be named" in told
    assert (
        "test rows only: answered by a prompt of superglue_rte or rte"
        in home.run("tasks", "ax_b").out
    )
    shown = home.run("tasks", "rte-numbers", "--show", "2", "--json").json
    assert shown["labels"] == ["0", "1"]
    assert [row["answers"] for row in shown["rows"]] == [["0"], ["1"]]
