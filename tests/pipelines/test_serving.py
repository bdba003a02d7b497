"""The registered version as MLflow loads it: rows in, labels and probabilities out."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from mlflow import MlflowClient

from mpt.evaluate import label_scores
from pipelines import registration
from pipelines.evaluate import evaluate
from pipelines.few_shot import few_shot
from pipelines.group import train_group
from pipelines.prompts import vector
from pipelines.registry import Registry
from pipelines.serving import model_folder
from pipelines.serving.loader import rows_of
from pipelines.serving.naming import Names, PromptColumn, UnknownName
from pipelines.serving.served import NotTogether, served
from pipelines.spec import Draw, EvaluateSpec, FewShotSpec, TeachSpec
from pipelines.teach import teach

ROWS = 15


@pytest.fixture
def uri(tmp_path, mlflow_tables):
    shutil.copy(mlflow_tables, tmp_path / "mlflow.db")
    return f"sqlite:///{tmp_path}/mlflow.db"


@pytest.fixture
def registered(svc, uri, tmp_path, monkeypatch):
    """Publish a prompt, make it champion, and load it as anybody would: by `models:/NAME@champion`.

    Its folder too, if `where`.
    """
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(uri)
    client = MlflowClient(uri, uri)
    registry = Registry(svc.lineage, svc.store, uri, tmp_path / "artifacts")

    def load(sha, where=False):
        name, _, version = registry.publish(sha)[0].rpartition("/")
        client.set_registered_model_alias(name, "champion", version)
        folder = Path(client.get_model_version(name, version).source.removeprefix("file://"))
        return folder if where else mlflow.pyfunc.load_model(f"models:/{name}@champion")

    yield load
    mlflow.set_tracking_uri(before)


@pytest.fixture
def model_of(svc, tmp_path):
    """Write prompts as one model, without a registry; its folder."""

    def write(*shas):
        with svc.lineage.database.reading() as connection:
            found = [registration.candidates(connection, sha) for sha in shas]
        folder = tmp_path / f"model {len(list(tmp_path.iterdir()))}"
        model_folder.write(folder, [served(one, svc.store) for one in found])
        return folder

    return write


def frame(svc, task, rows=ROWS):
    """The first test rows of a generated task, as they are, without answers."""
    task = svc.task(task).task
    return pd.DataFrame(task.source.rows("test")[:rows]).drop(columns="label")


def recorded(svc, run_id):
    """What an evaluation has answered."""
    (sha,) = {score.predictions_sha for score in svc.lineage.get_run(run_id).scores}
    return json.loads(svc.store.get(sha))


def probabilities(svc, backbone, task, tokens, behind=False):
    """What each label's share should be, by a whole evaluation's scores."""
    given, opened = svc.task(task), svc.backbone(backbone, "float32")
    rows = given.encode(opened, given.examples("test", ROWS), None, behind)
    scores = label_scores(opened, tokens, rows, given.task.labels, 4)
    return [
        dict(zip(given.task.labels, row, strict=True))
        for row in scores.double().softmax(dim=1).tolist()
    ]


def close(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one == pytest.approx(other, rel=1e-4, abs=0)  # of small ones too
        assert sum(one.values()) == pytest.approx(1)


def test_a_registered_t5_prompt_answers_as_its_evaluation_did(svc, specs, teachers, registered):
    sha = teachers[1]
    model = registered(sha)
    answers = model.predict(frame(svc, "mini_deed"))

    run = evaluate(specs.evaluate("mini_deed"), sha, svc)
    assert list(answers["label"]) == recorded(svc, run)
    tokens = vector(svc.lineage.get_prompt(sha), "mini_deed", svc)
    close(answers["probabilities"], probabilities(svc, specs.backbone, "mini_deed", tokens))
    assert len({one["neutral"] for one in answers["probabilities"]}) > 3


@pytest.mark.parametrize("behind", [False, True])
def test_a_registered_context_answers_as_its_evaluation_did(behind, svc, tiny_lm, registered):
    few = {"backbone": tiny_lm, "steps": 2, "batch_size": 2, "validation_rows": 4}
    front = None
    if behind:
        front = svc.lineage.get_run(
            teach(TeachSpec(**few, task="mini_review", prompt_length=3), svc)
        ).prompt
    spec = FewShotSpec(**few, task="mini_dining", draw=Draw(shots=2), input_radius=5.0)
    sha = svc.lineage.get_run(few_shot(spec, front, svc)).prompt
    answers = registered(sha).predict(frame(svc, "mini_dining"))

    run = evaluate(EvaluateSpec(backbone=tiny_lm, task="mini_dining", test_rows=ROWS), sha, svc)
    assert list(answers["label"]) == recorded(svc, run)
    tokens = vector(svc.lineage.get_prompt(sha), "mini_dining", svc)
    close(answers["probabilities"], probabilities(svc, tiny_lm, "mini_dining", tokens, True))


def test_each_part_of_a_source_prompt_answers_the_rows_that_name_it(svc, specs, source, registered):
    model = registered(source)
    parts = [frame(svc, task).assign(prompt=task) for task in ("mini_review", "mini_deed")]
    both = pd.concat(parts).sample(frac=1, random_state=0)
    answers = model.predict(both)
    assert answers.index.equals(both.index)
    for task in ("mini_review", "mini_deed"):
        mine = answers[both["prompt"] == task].sort_index()
        run = evaluate(specs.evaluate(task), source, svc)
        assert list(mine["label"]) == recorded(svc, run)
        tokens = vector(svc.lineage.get_prompt(source), task, svc)
        close(mine["probabilities"], probabilities(svc, specs.backbone, task, tokens))
    by_digest = both.assign(prompt=f"{source[:9]}/" + both["prompt"])
    assert model.predict(by_digest)["label"].equals(answers["label"])


def test_a_prompt_that_targets_share_is_served_for_each(svc, specs, source, model_of):
    group = svc.lineage.get_run(train_group(specs.group(), source, svc)).prompt
    model = mlflow.pyfunc.load_model(str(model_of(group)))
    rows = frame(svc, "mini_order", 3).assign(prompt="mini_order")
    tokens = vector(svc.lineage.get_prompt(group), "mini_order", svc)
    expected = probabilities(svc, specs.backbone, "mini_order", tokens)[:3]
    close(model.predict(rows)["probabilities"], expected)


OWN = {
    "name": "visits", "files": {"train": "visits.csv"}, "template": "remark: {remark}",
    "answer": "mood", "labels": {"good": "positive", "bad": "negative"}, "metric": "accuracy",
}  # fmt: skip
FREE = OWN | {"name": "notes", "labels": {}, "metric": "f1", "max_answer": 5}


@pytest.mark.parametrize("definition", [OWN, FREE], ids=["labels", "free text"])
def test_a_users_own_task_is_served_where_its_files_are_not(
    definition, svc, tiny_backbone, model_of, tmp_path
):
    folder = tmp_path / "mine"
    folder.mkdir()
    rows = "".join(f"visit {at} was so,{('good', 'bad')[at % 2]}\n" for at in range(20))
    (folder / "visits.csv").write_text("remark,mood\n" + rows)
    (folder / "visits.yaml").write_text(yaml.safe_dump(definition))
    few = {"backbone": tiny_backbone, "steps": 2, "batch_size": 2, "prompt_length": 3}
    spec = TeachSpec(**few, task=str(folder / "visits.yaml"))
    sha = svc.lineage.get_run(teach(spec, svc)).prompt
    tested = EvaluateSpec(backbone=tiny_backbone, task=spec.task)
    expected = recorded(svc, evaluate(tested, sha, svc))
    asked = [one.input.removeprefix("remark: ") for one in svc.task(spec.task).examples("test")]
    model = model_of(sha)
    shutil.rmtree(folder)

    answers = mlflow.pyfunc.load_model(str(model)).predict(pd.DataFrame({"remark": asked}))
    assert list(answers["label"]) == expected
    if definition is FREE:
        assert list(answers["probabilities"]) == [None] * len(asked)
    else:
        assert set(answers["probabilities"][0]) == {"positive", "negative"}


def test_the_version_has_a_signature_an_example_and_nothing_that_runs(svc, teachers, registered):
    folder = registered(teachers[1], where=True)
    assert {file.suffix for file in folder.iterdir()} == {"", ".json", ".safetensors"}
    assert (folder / "adapter_model.safetensors").read_bytes() == svc.store.get(teachers[1])
    model = mlflow.pyfunc.load_model(str(folder))
    assert model.metadata.get_input_schema().input_names() == ["prompt", "premise", "hypothesis"]
    assert model.metadata.get_output_schema().input_names() == ["label", "probabilities"]
    example = model.input_example
    assert list(example.columns) == ["premise", "hypothesis"]
    assert model.predict(example)["label"][0] in {"entailment", "neutral", "contradiction"}
    said = model.metadata.flavors["prompt_transfer"]
    (prompt,) = said["prompts"]
    assert (prompt["sha256"], prompt["num_tokens"], prompt["hidden_size"]) == (teachers[1], 5, 32)
    assert said["precision"] == "float32"
    assert prompt["parts"][0]["max_input"] == 128
    record = svc.lineage.get_prompt(teachers[1])
    assert said["backbone_sha256"] == record.backbone.sha
    assert "env" not in model.metadata.flavors["python_function"]


def test_a_backbone_may_lie_elsewhere_but_must_be_the_same(
    svc, teachers, model_of, tiny_backbone, other_backbone, tmp_path
):
    folder = model_of(teachers[0])
    moved = shutil.copytree(tiny_backbone, tmp_path / "moved")
    asked = frame(svc, "mini_review", 2)
    here = {"backbone": str(moved), "device": "cpu"}
    found = mlflow.pyfunc.load_model(str(folder), model_config=here).predict(asked)
    assert found.equals(mlflow.pyfunc.load_model(str(folder)).predict(asked))
    with pytest.raises(ValueError, match="the one that was opened has") as caught:
        mlflow.pyfunc.load_model(str(folder), model_config={"backbone": other_backbone})
    assert "\n" not in str(caught.value)


def said(folder, **changes):
    """Change what the MLmodel file says of its one prompt."""
    file = folder / "MLmodel"
    values = yaml.safe_load(file.read_text())
    values["flavors"]["prompt_transfer"]["prompts"][0] |= changes
    file.write_text(yaml.safe_dump(values))


def said_of_part(folder, **changes):
    """Change what it says of that prompt's one task."""
    values = yaml.safe_load((folder / "MLmodel").read_text())
    (part,) = values["flavors"]["prompt_transfer"]["prompts"][0]["parts"]
    said(folder, parts=[part | changes])


CHANGES = {
    "another byte": (
        lambda folder: (folder / "adapter_model.safetensors").open("ab").write(b" "),
        "has the digest",
    ),
    "no file": (lambda folder: (folder / "adapter_model.safetensors").unlink(), "No such file"),
    "another length": (lambda folder: said(folder, num_tokens=7), "should be of shape 7 by 32"),
    "a path": (lambda folder: said(folder, sha256="../" * 20), "should match pattern"),
    "more tasks": (
        lambda folder: said_of_part(folder, place=3),
        "for 4 tasks or more, and is for 1",
    ),
    "other labels": (
        lambda folder: said_of_part(folder, labels=["yes", "no"]),
        "what was .'yes', 'no'. is .'entailment', 'neutral', 'contradiction'. here",
    ),
    "other text": (
        lambda folder: said_of_part(folder, reads="deed: a / b"),
        "what was 'deed: a / b' is 'premise: Anna moved",
    ),
    "other columns": (
        lambda folder: said_of_part(folder, row={"text": "a"}),
        "is not the one that the prompt was trained on",
    ),
    "an unknown task": (lambda folder: said_of_part(folder, task="mini_dead"), "no task is named"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_model_that_was_changed_is_refused_in_one_line(change, teachers, model_of):
    what, words = CHANGES[change]
    folder = model_of(teachers[1])
    what(folder)
    with pytest.raises((ValueError, LookupError), match=words) as caught:
        mlflow.pyfunc.load_model(str(folder))
    assert "\n" not in str(caught.value)
    assert type(caught.value).__module__.split(".")[0] in {"pipelines", "tasks"}


def test_probabilities_are_a_softmax_over_the_labels_log_probabilities(
    svc, specs, teachers, model_of
):
    """Spelled out, for one row and without anything of the server's."""
    backbone, task = svc.backbone(specs.backbone, "float32"), svc.task("mini_review").task
    row = task.source.rows("test")[0]
    tokens = vector(svc.lineage.get_prompt(teachers[0]), "mini_review", svc)
    embeds = torch.cat([tokens, backbone.embed(torch.tensor(
        [*backbone.tokens([task.read(row).input])[0], 1]
    ))])  # fmt: skip
    logs = {}
    for label in task.labels:
        ids = backbone.tokenizer(label, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            out = backbone.model(inputs_embeds=embeds[None], labels=ids)
        logs[label] = -float(out.loss) * ids.shape[1]
    total = sum(torch.tensor(list(logs.values())).double().exp().tolist())
    expected = {
        label: float(torch.tensor(log).double().exp()) / total for label, log in logs.items()
    }
    model = mlflow.pyfunc.load_model(str(model_of(teachers[0])))
    found = model.predict(pd.DataFrame([row]).drop(columns="label"))
    assert found["probabilities"][0] == pytest.approx(expected, rel=1e-4)
    assert found["label"][0] == max(expected, key=expected.get)


def test_prompts_of_two_backbones_or_precisions_are_not_served_together(
    svc, specs, taught, model_of, made
):
    with pytest.raises(NotTogether, match="a server has one backbone, and these"):
        model_of(taught["source"], taught["foreign source"])
    half = made(teach(specs.teach(precision="bfloat16"), svc))
    with pytest.raises(NotTogether, match="trained with float32 and bfloat16: serve them apart"):
        model_of(taught["source"], half)
    model = mlflow.pyfunc.load_model(str(model_of(half)))
    answers = model.predict(frame(svc, "mini_review"))
    spec = specs.evaluate("mini_review", precision="bfloat16")
    assert list(answers["label"]) == recorded(svc, evaluate(spec, half, svc))


def test_a_task_with_a_column_called_prompt_is_served_alone(
    svc, tiny_backbone, teachers, model_of, tmp_path
):
    rows = "".join(f"say {at},{('good', 'bad')[at % 2]}\n" for at in range(20))
    (tmp_path / "visits.csv").write_text("prompt,mood\n" + rows)
    own = OWN | {"template": "asked: {prompt}"}
    (tmp_path / "visits.yaml").write_text(yaml.safe_dump(own))
    few = {"backbone": tiny_backbone, "steps": 2, "batch_size": 2, "prompt_length": 3}
    spec = TeachSpec(**few, task=str(tmp_path / "visits.yaml"))
    sha = svc.lineage.get_run(teach(spec, svc)).prompt
    with pytest.raises(PromptColumn, match="serve it alone"):
        model_of(sha, teachers[0])
    model = mlflow.pyfunc.load_model(str(model_of(sha)))
    assert len(model.predict(pd.DataFrame({"prompt": ["say 3", "anything"]}))) == 2


def test_a_cell_that_pandas_calls_missing_is_none_and_all_others_stay_what_they_are():
    rows = rows_of(pd.DataFrame({
        "a": ["x", None, float("nan")],
        "b": pd.array(["x", pd.NA, ""], dtype="string"),
        "c": [np.array(["p", "q"]), ["p", None], {"k": float("nan")}],
        "d": np.array([1, 2, 3]),
        "e": [3, None, 4],
        "f": [3.0, 2.5, None],
        "g": [3.0, 2.0, 1.0],
    }, index=[7, 7, 9]))  # fmt: skip
    assert [row["a"] for row in rows] == ["x", None, None]
    assert [row["b"] for row in rows] == ["x", None, ""]
    assert [row["c"] for row in rows[:2]] == [["p", "q"], ["p", None]]
    assert [type(row["d"]) for row in rows] == [int] * 3
    found = [[repr(row[name]) for row in rows] for name in "efg"]
    assert found == [["3", "None", "4"], ["3.0", "2.5", "None"], ["3.0", "2.0", "1.0"]]


def test_many_threads_ask_at_once_and_each_gets_its_own_answers(svc, teachers, model_of):
    model = mlflow.pyfunc.load_model(str(model_of(*teachers)))
    asked = [
        frame(svc, task).iloc[at : at + 5].assign(prompt=task)
        for task in ("mini_review", "mini_deed")
        for at in range(0, 15, 5)
    ]
    expected = [model.predict(one) for one in asked]
    with ThreadPoolExecutor(6) as pool:
        for _ in range(3):
            for found, one in zip(pool.map(model.predict, asked), expected, strict=True):
                assert found.equals(one)


def test_a_part_is_called_by_its_task_where_that_is_enough_and_by_its_digest():
    names = Names([("aa11bb" + "0" * 58, "rte"), ("aa11bb" + "1" * 58, "rte"), ("c" * 64, "cb"),
                   ("d" * 64, "x"), ("d" * 64, "rte"), ("e" * 64, "facade")])  # fmt: skip
    assert names.shortest() == [
        "aa11bb000000", "aa11bb111111", "cb", "x", "dddddddddddd/rte", "facade",
    ]  # fmt: skip
    assert [names.place(name) for name in names.shortest()] == list(range(6))
    assert names.place("c" * 6) == 2
    assert names.place("facade") == 5  # which could be digits
    for named, problem in [
        ("rte", "is the name of several"), ("aa11bb", "is the name of several"),
        ("dddddd", "is the name of several"), ("ccccc", "is no prompt here"),
        ("cccccc/rte", "is no prompt here"), ("", "is no prompt here"),
    ]:  # fmt: skip
        with pytest.raises(UnknownName, match=f"{problem}.*give one of aa11bb000000"):
            names.place(named)
