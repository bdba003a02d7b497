"""Two machines that share a database and a store: one goes on where the other was killed."""

import logging
import uuid
from contextlib import contextmanager
from dataclasses import replace

import pytest

from pipelines.places import Bucket, StoreDown
from pipelines.spec import TeachSpec
from pipelines.store import Store
from pipelines.teach import teach

STOPPED_AT = 33  # of 40 steps


class Killed(BaseException):
    """As if the machine had gone."""


@contextmanager
def deadly(stage, task, steps):
    def on_step(step, loss):
        if step == STOPPED_AT:
            raise Killed

    yield on_step


@pytest.fixture
def machine(svc, tmp_path):
    """Return services as they are on one of the machines: its own folders, and what all share."""
    shared = Bucket(f"memory://{uuid.uuid4().hex}")

    def machine(name, **others):
        own = {"checkpoints": tmp_path / name / "checkpoints", "cache": tmp_path / name / "cache"}
        return replace(svc, store=Store(shared), mirror=shared, **own, **others)

    return machine


@pytest.fixture
def spec(tiny_backbone):
    return TeachSpec(
        backbone=tiny_backbone, task="mini_review", prompt_length=4, steps=40, batch_size=4,
        validations=2, validation_rows=12,
    )  # fmt: skip


def test_a_training_goes_on_where_another_machine_was_stopped(machine, spec, services_at, tmp_path):
    with pytest.raises(Killed):
        teach(spec, machine("first", progress=deadly))
    seen = []

    @contextmanager
    def progress(stage, task, steps):
        yield lambda step, loss: seen.append(step)

    second = machine("second", progress=progress)
    run = second.lineage.get_run(teach(spec, second))
    assert 1 < seen[0] <= STOPPED_AT + 1
    assert run.resumed_sha
    other = services_at(tmp_path / "undisturbed")
    assert run.prompt == other.lineage.get_run(teach(spec, other)).prompt
    other.lineage.close()
    # The prompt is where every machine finds it, and no checkpoint is left anywhere.
    assert machine("third").store.get(run.prompt)
    assert list((tmp_path / "second" / "checkpoints").iterdir()) == []
    with pytest.raises(FileNotFoundError):
        second.mirror.read(f"checkpoints/{run.request_sha}.safetensors")


def test_a_store_that_is_down_for_checkpoints_does_not_stop_a_training(machine, spec, caplog):
    class Down:
        def read(self, name):
            raise StoreDown("s3://x", OSError("no route"))

        def write(self, name, data):
            raise StoreDown("s3://x", OSError("no route"))

        def remove(self, name):
            raise StoreDown("s3://x", OSError("no route"))

    with caplog.at_level(logging.WARNING):
        run = teach(spec, replace(machine("first"), mirror=Down()))
    assert machine("first").lineage.get_run(run).status == "completed"
    assert "the store s3://x failed" in caplog.text
