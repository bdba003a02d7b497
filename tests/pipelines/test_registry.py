import json
import shutil
import socket
from pathlib import Path

import pytest
import torch
from mlflow import MlflowClient

from mpt.peft_format import pack, unpack
from mpt.prompt import MultitaskPrompt, SoftPrompt
from pipelines import outbox, registration
from pipelines import standing as standings
from pipelines.best import Wanted
from pipelines.mlflow_model import WrongBytes
from pipelines.mlflow_server import EXPERIMENT, RegistryDown
from pipelines.records import MULTITASK
from pipelines.registry import Registry
from pipelines.run_export import thin
from pipelines.standing import Decision
from pipelines.store import Store


@pytest.fixture
def lineage(sqlite_lineage):
    return sqlite_lineage


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture
def uri(tmp_path, mlflow_tables):
    shutil.copy(mlflow_tables, tmp_path / "mlflow.db")
    return f"sqlite:///{tmp_path}/mlflow.db"


@pytest.fixture
def open_registry(lineage, store, uri, tmp_path):
    """Open the registry as another process would: with nothing remembered."""
    return lambda: Registry(lineage, store, uri, tmp_path / "artifacts")


@pytest.fixture
def client(uri):
    return MlflowClient(uri, uri)


@pytest.fixture
def train(lineage, store, world):
    """Record a training whose prompt and losses are really in the store; return its digest."""

    def record(task, number, value, losses=(2.0, 1.0), **request):
        data = pack(SoftPrompt(torch.full((5, 8), float(number))))
        with lineage.record(world.request("adapt", task, str(number), **request)) as run:
            run.prompt = world.prompt(store.put(data))
            run.scores.append(world.score(task, value))
            run.curve = [(1, value / 2), (2, value)]
            run.losses_sha = store.put(json.dumps(losses).encode())
        return run.prompt.sha

    return record


def stand(lineage, sha, standing):
    """Give a prompt a standing, whatever the gate would say."""
    with lineage.database.writing() as connection:
        (one,) = registration.candidates(connection, sha)
        standings.stand(connection, one, standing, Decision("forced", reason="a test"))


def champion_of(client, name):
    return str(client.get_registered_model(name).aliases["champion"])


def name_of(world, task):
    return f"softprompt.nano-t5-{world.backbone.sha[:8]}.{task}"


def test_a_published_prompt_is_a_version_with_peft_files_and_tags(
    open_registry, lineage, store, train, world, client
):
    sha = train("rte", 1, 80.0)
    (published,) = open_registry().publish(sha[:10])

    name = name_of(world, "rte")
    assert published == f"{name}/1"
    version = client.get_model_version(name, "1")
    run = lineage.best("rte").lineage
    model = version.tags.pop("logged_model")
    assert version.tags == {
        "kind": "soft-prompt", "prompt_kind": "target", "task": "rte", "digest": sha,
        "backbone": "nano-t5", "backbone_sha": world.backbone.sha, "lineage_run": run,
        "metric": "accuracy", "validation_score": "80.0", "validation_n": "40", "parameters": "40",
    }  # fmt: skip
    logged = client.get_logged_model(model)
    assert logged.tags == version.tags | {"model_name": name}
    assert {(one.key, one.dataset_name, one.value) for one in logged.metrics} == {
        ("validation accuracy", "validation", 80.0), ("validation_score", "validation", 80.0),
    }  # fmt: skip
    assert str(logged.status) == "READY"
    folder = Path(version.source.removeprefix("file://"))
    assert sorted(file.name for file in folder.iterdir()) == [
        "MLmodel", "adapter_config.json", "adapter_model.safetensors", "input_example.json",
        "serving_input_example.json",
    ]  # fmt: skip
    data = (folder / "adapter_model.safetensors").read_bytes()
    assert data == store.get(sha)
    assert unpack(data).tokens.eq(1).all()
    config = json.loads((folder / "adapter_config.json").read_text())
    assert (config["base_model_name_or_path"], config["num_layers"]) == ("nano-t5", 2)
    assert lineage.best("rte").version == 1


def test_a_prompt_of_a_task_that_is_not_known_here_is_published_for_peft_alone(
    open_registry, train, client
):
    (published,) = open_registry().publish(train("of_another_version", 1, 80.0))
    folder = Path(client.get_model_version(*published.split("/")).source.removeprefix("file://"))
    assert {file.name for file in folder.iterdir()} == {
        "adapter_config.json", "adapter_model.safetensors",
    }  # fmt: skip


def test_the_run_shows_the_spec_the_curves_and_a_picture(open_registry, train, client):
    sha = train("rte", 1, 80.0, losses=[float(step) for step in range(1000)])
    open_registry().publish(sha)

    experiment = client.get_experiment_by_name(EXPERIMENT)
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.params == {
        "task": "rte", "steps": "3", "distil.weight": "0.9", "tasks": '["a", "b"]',
    }  # fmt: skip
    losses = client.get_metric_history(run.info.run_id, "loss")
    assert (len(losses), losses[0].step, losses[-1].step) == (200, 1, 1000)
    assert losses[-1].value == 999.0
    scores = client.get_metric_history(run.info.run_id, "accuracy")
    assert [(one.step, one.value) for one in scores] == [(1, 40.0), (2, 80.0)]
    files = [file.path for file in client.list_artifacts(run.info.run_id, "pictures")]
    assert files == ["pictures/learning-curve.png"]


def test_a_source_prompt_has_a_map_of_its_task_vectors(
    open_registry, lineage, store, world, client
):
    prompt = MultitaskPrompt.start(
        torch.ones(5, 8), 2, 1, "identity", torch.Generator().manual_seed(0)
    )
    with lineage.record(world.request("learn", MULTITASK)) as run:
        run.prompt = world.prompt(store.put(pack(prompt)), "source", tasks=("rte", "cb"))
    (published,) = open_registry().publish(run.prompt.sha)

    assert published == f"{name_of(world, 'multitask')}/1"
    version = client.get_model_version(*published.split("/"))
    files = [file.path for file in client.list_artifacts(version.run_id, "pictures")]
    assert files == ["pictures/task-vectors.png"]
    assert "validation_score" not in version.tags


def test_numbers_that_are_not_finite_stay_out(open_registry, train, client):
    open_registry().publish(train("rte", 1, 80.0, losses=[1.0, float("nan"), float("inf"), 2.0]))

    (run,) = client.search_runs([client.get_experiment_by_name(EXPERIMENT).experiment_id])
    losses = client.get_metric_history(run.info.run_id, "loss")
    assert [(one.step, one.value) for one in losses] == [(1, 1.0), (4, 2.0)]


def test_publishing_twice_makes_one_version(open_registry, train, client, world):
    sha = train("rte", 1, 80.0)
    first = open_registry().publish(sha)

    assert open_registry().publish(sha) == first
    assert open_registry().publish_pending().told == first
    assert open_registry().publish_pending().told == []
    assert len(client.search_model_versions(f"name = '{name_of(world, 'rte')}'")) == 1


class Crash(BaseException):
    """What SIGKILL leaves behind: nothing after it runs."""


class CrashingClient:
    """The real client, until its `calls`-th call, before or after which the process dies."""

    def __init__(self, client, calls, after):
        self._client, self._left, self._after = client, calls, after

    def __getattr__(self, name):
        real = getattr(self._client, name)

        def call(*args, **kwargs):
            self._left -= 1
            if self._left == 0 and not self._after:
                raise Crash
            answer = real(*args, **kwargs)
            if self._left == 0:
                raise Crash
            return answer

        return call


@pytest.mark.parametrize("after", [False, True])
def test_a_crash_between_any_two_steps_is_healed_by_publishing_again(
    open_registry, train, client, world, lineage, after
):
    for calls in range(1, 30):
        task = f"task{calls}"
        sha = train(task, calls, 80.0)
        registry = open_registry()
        registry.__dict__["_client"] = CrashingClient(client, calls, after)
        try:
            registry.publish(sha)
            break
        except Crash:
            pass
        stand(lineage, sha, "champion")
        open_registry().publish_pending()

        (version,) = client.search_model_versions(f"name = '{name_of(world, task)}'")
        assert lineage.best(task).version == int(version.version) == 1
        assert champion_of(client, version.name) == "1"
        mine = f"tags.task = '{task}'"
        runs = client.search_runs([client.get_experiment_by_name(EXPERIMENT).experiment_id], mine)
        assert [run.info.status for run in runs] == ["FINISHED"]
    assert calls > 8  # so many steps were tried


def test_the_aliases_and_tags_follow_the_standings(open_registry, train, client, world, lineage):
    registry = open_registry()
    shas = [train("rte", number, value) for number, value in enumerate([70.0, 75.0, 80.0])]
    name = name_of(world, "rte")
    for sha, standing in zip(shas, ("champion", "challenger", "candidate"), strict=True):
        stand(lineage, sha, standing)
    registry.publish_pending()
    assert client.get_registered_model(name).aliases == {"champion": 1, "challenger": 2}

    stand(lineage, shas[2], "champion")
    stand(lineage, shas[1], "archived")
    registry.publish_pending()
    assert client.get_registered_model(name).aliases == {"champion": 3}
    tags = [client.get_model_version(name, str(one)).tags.get("standing") for one in (1, 2, 3)]
    assert tags == ["archived", "archived", "champion"]
    assert [lineage.best("rte").version, lineage.best("rte").alias] == [3, "champion"]


def test_a_champion_that_is_told_with_its_version_is_all_told_at_once(
    open_registry, train, lineage, client, world
):
    sha = train("rte", 1, 80.0)
    stand(lineage, sha, "champion")  # due after the prompt, which asks for it again
    open_registry().publish_pending()

    assert champion_of(client, name_of(world, "rte")) == "1"
    with lineage.database.reading() as connection:
        assert outbox.due(connection, "registry", 10) == []


def test_mlflow_and_sql_name_the_same_best_prompt(open_registry, train, lineage, world):
    registry = open_registry()
    values = [70.0, 0.1 + 0.2, 70.0, 9.0, 70.0]
    for number, value in enumerate(values):
        train("rte", number, value)
    for number, value in enumerate([9.5, 10.0, 100.0], start=10):
        train("cb", number, value)
    big = train("cb", 20, 100.0, backbone=world.other_backbone)
    registry.publish_pending()
    world.evaluate(lineage, "cb", big, 55.5)
    world.evaluate(lineage, "rte", lineage.best("rte").prompt, 1 / 3)
    stand(lineage, big, "champion")
    registry.publish_pending()

    for task in ("rte", "cb", "unknown", "' OR 1=1 --"):
        for wanted in (
            Wanted(), Wanted(backbone="nano-t5"), Wanted(backbone=world.other_backbone.sha[:7]),
            Wanted(backbone="other"), Wanted(metric="accuracy"), Wanted(metric="f1"),
            Wanted(max_parameters=40), Wanted(max_parameters=39), Wanted(shots=4),
        ):  # fmt: skip
            assert registry.best(task, wanted) == lineage.best(task, wanted)
    assert registry.best("rte").test_score == 1 / 3
    assert (registry.best("cb").score, registry.best("cb").alias) == (100.0, "champion")
    assert registry.best_of_all() == lineage.best_of_all()


def test_a_test_score_that_came_later_reaches_the_version(
    open_registry, train, lineage, world, client
):
    sha = train("rte", 1, 80.0)
    open_registry().publish_pending()
    world.evaluate(lineage, "rte", sha, 61.5)

    assert open_registry().publish_pending().told == [f"{name_of(world, 'rte')}/1"]
    version = client.get_model_version(name_of(world, "rte"), "1")
    assert (version.tags["test_score"], version.tags["test_n"]) == ("61.5", "40")
    assert client.get_run(version.run_id).data.metrics["test accuracy"] == 61.5


def test_when_mlflow_is_down_prompts_stay_pending(lineage, store, train, tmp_path):
    sha = train("rte", 1, 80.0)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]  # bound, but nobody listens
        registry = Registry(lineage, store, f"http://127.0.0.1:{port}", tmp_path / "artifacts")
        with pytest.raises(RegistryDown, match="nothing is lost"):
            registry.publish_pending()

    with lineage.database.reading() as connection:
        (item,) = outbox.due(connection, "registry", 10)
    assert (item.subject, item.attempts) == (sha, 0)  # it keeps its place in the queue
    assert lineage.best("rte").prompt == sha


def test_bytes_that_mlflow_changed_close_no_place(open_registry, train, client, world, lineage):
    sha = train("rte", 1, 80.0)
    open_registry().publish(sha)
    version = client.get_model_version(name_of(world, "rte"), "1")
    weights = Path(version.source.removeprefix("file://")) / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    with lineage.database.writing() as connection:
        registration.reopen(connection, sha, "rte")

    delivered = open_registry().publish_pending()
    assert delivered.told == []
    assert "not those of its prompt" in delivered.failed[sha]
    assert lineage.best("rte").version is None
    weights.unlink()
    with pytest.raises(WrongBytes, match="the bytes none"):
        open_registry().publish(sha)


def test_one_prompt_that_cannot_be_published_keeps_no_other_waiting(
    open_registry, train, lineage, world, store
):
    lost = train("rte", 1, 80.0)
    train("cb", 2, 70.0)
    (store.place.root / lost[:2] / lost).unlink()

    delivered = open_registry().publish_pending()
    assert delivered.told == [f"{name_of(world, 'cb')}/1"]
    assert list(delivered.failed) == [lost]
    assert "is not in the store" in delivered.failed[lost]
    assert (lineage.best("rte").version, lineage.best("cb").version) == (None, 1)
    assert open_registry().publish_pending().failed.keys() == {lost}


def test_a_new_database_is_made_ready_once_for_all_processes(lineage, tmp_path, python, capfd):
    code = """
import sys
from pathlib import Path
from pipelines.database import connect
from pipelines.mlflow_server import open_client
url, locks, uri = sys.argv[1:]
print(len(open_client(uri, connect(url), Path(locks)).search_experiments()))
"""
    url = str(lineage.database.engine.url)
    workers = [python(code, url, lineage.locks, f"sqlite:///{tmp_path}/fresh.db") for _ in range(2)]
    assert [worker.communicate(timeout=120)[0].strip() for worker in workers] == ["1"] * 2
    assert "INFO" not in capfd.readouterr().err


@pytest.mark.parametrize("count", [0, 1, 200, 201, 12345])
def test_a_thinned_curve_keeps_its_ends_and_its_order(count):
    points = [(step, float(step)) for step in range(count)]
    thinned = thin(points)

    assert len(thinned) == min(count, 200)
    assert thinned == sorted(set(thinned))
    assert thinned[:1] + thinned[-1:] == points[:1] + points[-1:]
