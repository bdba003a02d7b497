"""Prompts that answer rows: `predict` on files, `bundle` and `serve` for whoever asks."""

import csv
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from unittest import mock

import mlflow
import pandas as pd
import pytest
from mlflow.pyfunc import scoring_server
from starlette.testclient import TestClient

import tasks
from flows import predicting
from flows.publishing import publish
from pipelines.evaluate import evaluate
from pipelines.learn import learn
from pipelines.spec import EvaluateSpec, LearnSpec, TeachSpec
from pipelines.teach import teach

ROOT = Path(__file__).parents[2]
FEW = {"backbone": "nano-t5", "batch_size": 8, "validations": 1}
PAIR = {"premise": "Ann has a boat .", "hypothesis": "Ann can sail ."}
LINE = {"sentence": "they sang all night ."}
ROWS = 15


@pytest.fixture(scope="module")
def school(make_home, services_at):
    """A home with prompts of two lengths for two tasks, and a source prompt for two others.

    The first two beat the majority class by far, and so become champions.
    """
    home = make_home()
    svc = services_at(home.folder)
    runs = {
        task: teach(
            TeachSpec(**FEW, task=task, prompt_length=length, steps=4, validation_rows=60), svc
        )
        for task, length in (("mini_trade", 3), ("mini_deed", 6))
    }
    two = {"tasks": ["mini_review", "mini_agreement"], "distillation": {"weight": 0}}
    few = {"steps": 1, "prompt_length": 4, "validation_rows": 4}
    runs["multitask"] = learn(LearnSpec(**FEW, **two, **few), [], svc)
    shas = {task: svc.lineage.get_run(run).prompt for task, run in runs.items()}
    spec = EvaluateSpec(backbone="nano-t5", task="mini_trade", test_rows=ROWS)
    tested = evaluate(spec, shas["mini_trade"], svc)
    (kept,) = {score.predictions_sha for score in svc.lineage.get_run(tested).scores}
    answers = json.loads(svc.store.get(kept))
    svc.lineage.close()
    with mock.patch.dict(os.environ, home.settings):
        publish()
    for sha in shas.values():  # two steps of a training beat no majority class
        said = home.run("promote", sha, "--force", "a test")
        assert said.status == 0, said.err
    return home, shas, answers


@pytest.fixture(scope="module")
def home(school):
    return school[0]


@pytest.fixture(scope="module")
def shas(school):
    return school[1]


@pytest.fixture(scope="module")
def asked():
    """The rows that were evaluated, without their answers."""
    rows = tasks.get("mini_trade").source.rows("test")[:ROWS]
    return [{"sentence": row["sentence"]} for row in rows]


@pytest.fixture(scope="module")
def bundled(home, tmp_path_factory):
    """All of them in one model; its folder, and the model as MLflow loads it."""
    folder = tmp_path_factory.mktemp("bundle") / "model"
    said = home.run(
        "bundle", "mini_trade@champion", "mini_deed@champion", "multitask@1", "--to", folder
    )
    assert said.status == 0, said.err
    return folder, mlflow.pyfunc.load_model(str(folder)), said


def write(file, rows):
    match file.suffix:
        case ".csv":
            pd.DataFrame(rows).to_csv(file, index=False)
        case ".tsv":
            pd.DataFrame(rows).to_csv(file, index=False, sep="\t")
        case ".jsonl":
            file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        case ".parquet":
            pd.DataFrame(rows).to_parquet(file)
    return file


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
def test_a_file_is_answered_as_the_evaluation_did(ending, school, asked, tmp_path):
    home, shas, answers = school
    file = write(tmp_path / f"rows.{ending}", [row | {"label": 7} for row in asked])
    said = home.run("predict", shas["mini_trade"][:8], file)
    assert said.status == 0, said.err
    found = list(csv.DictReader(io.StringIO(said.out)))
    assert [row["predicted_label"] for row in found] == answers
    assert list(found[0]) == [
        "sentence", "label", "predicted_label", "probability_sea", "probability_farm",
        "probability_music", "probability_law",
    ]  # fmt: skip
    assert len(set(answers)) > 2
    assert [row["sentence"] for row in found] == [row["sentence"] for row in asked]
    assert {row["label"] for row in found} == {"7"}


def test_json_has_each_row_as_it_is_and_a_file_is_written_once(home, asked, tmp_path):
    file = write(tmp_path / "rows.jsonl", asked)
    said = home.run("predict", "mini_trade@champion", file, "--json")
    assert [one["row"] for one in said.json] == asked
    for one in said.json:
        assert sum(one["probabilities"].values()) == pytest.approx(1)
        assert one["label"] == max(one["probabilities"], key=one["probabilities"].get)
    out = tmp_path / "answers.json"
    assert home.run("predict", "mini_trade@1", file, "--json", "--to", out).out == ""
    assert json.loads(out.read_text()) == said.json
    again = home.run("predict", "mini_trade@1", file, "--to", out)
    assert again.status == 2
    assert "is not written" in again.err
    assert json.loads(out.read_text()) == said.json


def test_a_row_names_its_part_of_a_source_prompt(home, shas, tmp_path):
    rows = [LINE | {"prompt": task} for task in ("mini_agreement", "mini_review")]
    said = home.run("predict", shas["multitask"], write(tmp_path / "rows.jsonl", rows), "--json")
    labels = [list(one["probabilities"]) for one in said.json]
    assert labels == [["unacceptable", "acceptable"], ["negative", "positive"]]


WRONG = {
    "no column": (
        [{"text": "a"}],
        "row 1: it has no column sentence; 'mini_trade' needs it (it has text",
    ),
    "no cell": ([LINE, {"sentence": None}], "row 2: column 'sentence' is missing; it should be"),
    "a number": ([LINE, LINE, {"sentence": 3}], "row 3: column 'sentence' is 3; it should be text"),
    "half a character": ([{"sentence": "a \ud800"}], "row 1: it holds half characters"),
    "no rows": ([], "there are no rows"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_row_that_cannot_be_answered_is_one_line_and_nothing_is_answered(case, home, tmp_path):
    rows, words = WRONG[case]
    out = tmp_path / "out.csv"
    file = write(tmp_path / "rows.jsonl", rows)
    said = home.run("predict", "mini_trade@champion", file, "--to", out)
    assert (said.status, said.out, said.err.count("\n")) == (2, "", 1)
    assert words in said.err
    assert not out.exists()


@pytest.mark.parametrize(("named", "status", "words"), [
    ("mini_trade", 3, "is no prompt: give the first 6 digits"),
    ("abcdef", 3, "no prompt has the id"),
    ("mini_trade@best", 3, "neither champion nor a number"),
    ("mini_trade@7", 3, "is not in the registry"),
    ("nothing@champion", 3, "is not in the registry"),
    ("missing.yaml@champion", 2, "cannot be read"),
    ("multitask@1", 2, "which prompt? Give a column 'prompt' with one of mini_review, mini_a"),
])  # fmt: skip
def test_a_prompt_that_is_not_there_is_one_line(named, status, words, home, tmp_path):
    said = home.run("predict", named, write(tmp_path / "rows.jsonl", [LINE]))
    assert (said.status, said.err.count("\n")) == (status, 1)
    assert words in said.err


def test_a_long_wait_is_told_on_stderr(home, asked, tmp_path, monkeypatch):
    monkeypatch.setattr(predicting, "PATIENCE", -1)
    monkeypatch.setattr(predicting, "REPEAT", -1)
    file = write(tmp_path / "rows.csv", asked)
    said = home.run("predict", "mini_trade@champion", file)
    assert said.err == f"{ROWS} of {ROWS} rows\n"
    assert said.out.count("\n") == ROWS + 1


def test_a_file_that_cannot_be_read_is_one_line(home, tmp_path):
    (tmp_path / "rows.txt").write_text("sentence\na\n")
    (tmp_path / "rows.csv").write_text("sentence,label\na\n")
    for name, words in [
        ("rows.txt", "its name must end in"), ("none.csv", "cannot be read"),
        ("rows.csv", "row 1: it has 1 cells, and the header has 2"),
    ]:  # fmt: skip
        said = home.run("predict", "mini_trade@champion", tmp_path / name)
        assert (said.status, said.err.count("\n")) == (2, 1)
        assert words in said.err


def test_a_bundle_answers_mixed_rows_as_each_prompt_alone(bundled, home, shas, tmp_path):
    folder, model, said = bundled
    assert said.out.startswith(f"{folder}: mini_trade, mini_deed, mini_review, mini_agreement on ")
    trade, deed, source = shas["mini_trade"], shas["mini_deed"], shas["multitask"]
    asked = [
        (deed, "mini_deed", PAIR),
        (trade, "mini_trade", {"sentence": "a b"}),
        (source, "mini_review", LINE),
        (deed, deed, PAIR),
        (trade, trade[:6], LINE),
        (source, f"{source[:7]}/mini_agreement", LINE),
    ]
    rows = [{"prompt": name, **row} for _, name, row in asked]
    mixed = model.predict(pd.DataFrame(rows)).to_dict("records")
    for (sha, _, _), row, answer in zip(asked, rows, mixed, strict=True):
        (alone,) = home.run("predict", sha, write(tmp_path / "row.jsonl", [row]), "--json").json
        assert answer["label"] == alone["label"]
        assert answer["probabilities"] == pytest.approx(alone["probabilities"], rel=1e-4)


def test_a_bundle_has_an_example_for_each_of_its_prompts(bundled):
    _, model, _ = bundled
    example = model.input_example
    assert list(example["prompt"]) == ["mini_trade", "mini_deed", "mini_review", "mini_agreement"]
    assert len(model.predict(example)) == 4


TRADE, DEED = {"prompt": "mini_trade"}, {"prompt": "mini_deed"}
REFUSED = {
    "an unknown name": ([{"prompt": "nope"} | LINE], "row 1: 'nope' is no prompt here: give one"),
    "no name": ([{"prompt": None} | LINE], "row 1: which prompt? Give a column 'prompt' with one"),
    "no column for it": ([LINE], "row 1: which prompt? Give a column 'prompt' with one of mini_tr"),
    "another's columns": (
        [DEED | LINE],
        "row 1: it has no column premise, hypothesis; 'mini_deed'",
    ),
    "no cell": (
        [TRADE | LINE, DEED | PAIR | {"hypothesis": None}],
        "row 2: column 'hypothesis' is missing; it should be text",
    ),
    "a list": ([TRADE | {"sentence": ["a"]}], "row 1: column 'sentence' is ['a']; it should be"),
    "a number": ([TRADE | {"sentence": 3}], "row 1: column 'sentence' is 3; it should be text"),
    "nothing": ([], "there are no rows with columns that are read here: sentence, premise,"),
    "nothing that is known": ([{"x": 1}], "there are no rows with columns that are read here"),
}


@pytest.fixture(scope="module")
def client(bundled):
    with mock.patch.dict(os.environ):  # MLflow's server notes in a variable that it is one
        yield TestClient(scoring_server.init(bundled[1]))


def ask(client, rows):
    return client.post("/invocations", json={"dataframe_records": rows})


@pytest.mark.parametrize("case", REFUSED)
def test_mlflows_server_answers_what_it_cannot_with_400_and_one_line(case, client):
    rows, words = REFUSED[case]
    answer = ask(client, rows)
    assert answer.status_code == 400
    message = answer.json()["message"]
    assert message.startswith(words)
    assert "\n" not in message
    assert "stack_trace" not in answer.json()


def test_mlflows_server_answers_every_form_of_the_same_rows(client):
    rows = [{"prompt": "mini_trade"} | LINE, {"prompt": "mini_deed", "other": 5} | PAIR]
    expected = ask(client, rows).json()["predictions"]
    assert set(expected[1]["probabilities"]) == {"entailment", "neutral", "contradiction"}
    columns = ["prompt", "sentence", "premise", "hypothesis"]
    cells = [[row.get(name) for name in columns] for row in rows]
    split = {"dataframe_split": {"columns": columns, "data": cells}}
    text = pd.DataFrame(cells, columns=columns).to_csv(index=False)
    csv_type = {"content-type": "text/csv"}
    for answer in (
        client.post("/invocations", json=split),
        client.post("/invocations", json={"inputs": rows}),
        client.post("/invocations", content=text, headers=csv_type),
    ):
        assert answer.status_code == 200, answer.text
        assert answer.json()["predictions"] == expected


def test_a_bundle_of_nothing_or_over_something_is_refused(home, tmp_path):
    (tmp_path / "file").write_text("")
    for words, status, said in [
        (["--to", tmp_path / "new"], 2, "bundle needs a prompt"),
        (["mini_trade@champion", "--to", tmp_path], 2, "is not empty"),
        (["mini_trade@champion", "nope@1", "--to", tmp_path / "new"], 3, "is not in the registry"),
    ]:
        found = home.run("bundle", *words)
        assert (found.status, found.err.count("\n")) == (status, 1)
        assert said in found.err
    assert not (tmp_path / "new").exists()


def test_a_port_that_is_taken_is_one_line(home):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = home.run("serve", "mini_trade@champion", "--port", port)
    assert said.status == 2
    assert f"nothing can listen on 127.0.0.1:{port}" in said.err
    assert said.err.count("\n") == 1


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def post(port, rows):
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/invocations",
        json.dumps({"dataframe_records": rows}).encode(),
        {"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def wait_for(port, process, seconds=240):
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=5).close()
        except OSError:
            time.sleep(0.5)
        else:
            return
    pytest.fail(f"the server did not come up (status {process.poll()})")


def listens(port):
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.servers
def test_a_real_server_holds_several_prompts_and_ends_when_it_is_asked_to(home, bundled, tmp_path):
    port, model = free_port(), bundled[1]
    command = [
        "serve",
        "mini_trade@champion",
        "mini_deed@champion",
        "multitask@1",
        "--port",
        str(port),
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "flows", *command],
        env={**os.environ, **home.settings, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)},
        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        wait_for(port, process)
        rows = [{"prompt": "mini_trade"} | LINE, {"prompt": "mini_deed"} | PAIR]
        status, said = post(port, rows)
        assert status == 200
        for ours, theirs in zip(
            said["predictions"], model.predict(pd.DataFrame(rows)).to_dict("records"), strict=True
        ):
            assert ours["label"] == theirs["label"]
            assert ours["probabilities"] == pytest.approx(theirs["probabilities"], rel=1e-5)
        status, said = post(port, [{"prompt": "nope"} | LINE])
        assert status == 400
        assert said["message"].startswith("row 1: 'nope' is no prompt here")
    finally:
        process.send_signal(signal.SIGTERM)
        errors = process.communicate(timeout=60)[1]
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    assert not listens(port)
    assert list(tmp_path.iterdir()) == []  # its model was in a temporary folder


@pytest.mark.servers
def test_mlflows_own_command_serves_the_registered_champion(home, shas, tmp_path):
    port, uri = free_port(), f"sqlite:///{home.folder}/mlflow.db"
    (name,) = home.query("SELECT model_name FROM registration WHERE task = 'mini_trade'")[0]
    command = ["mlflow", "models", "serve", "--env-manager", "local", "--port", str(port)]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    variables = {"MLFLOW_TRACKING_URI": uri, "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
                 "PATH": path, "PYTHONPATH": str(ROOT)}  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", *command, "--model-uri", f"models:/{name}@champion"],
        env={**os.environ, **variables}, start_new_session=True,
    )  # fmt: skip
    try:
        wait_for(port, process)
        status, said = post(port, [LINE])
        file = write(tmp_path / "rows.jsonl", [LINE])
        (alone,) = home.run("predict", shas["mini_trade"], file, "--json").json
        assert status == 200
        assert said["predictions"][0]["label"] == alone["label"]
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)
