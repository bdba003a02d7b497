"""A real SIGKILL in source training. Run as a program, this file is what is killed."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.learn import learn
from pipelines.spec import LearnSpec

ROOT = Path(__file__).parents[2]
KILLED_AT = 33  # of 40 steps


def recipe(backbone):
    return LearnSpec(
        backbone=backbone, tasks=["mini_review", "mini_deed"], prompt_length=5, steps=40,
        batch_size=4, validations=4, train_rows=40, validation_rows=12, distillation={"weight": 0},
    )  # fmt: skip


def start(folder, backbone, kill_at):
    """Run this file in another process; return its exit status."""
    command = [sys.executable, __file__, str(folder), backbone, str(kill_at)]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, env=env, check=False, timeout=120).returncode


@contextmanager
def deadly(stage, task, steps):
    def on_step(step, loss):
        if step == int(sys.argv[3]):
            os.kill(os.getpid(), signal.SIGKILL)

    yield on_step


@pytest.fixture
def elsewhere(tmp_path, services_at):
    svc = services_at(tmp_path / "undisturbed")
    yield svc
    svc.lineage.close()


def test_a_killed_source_training_ends_as_if_nobody_had_killed_it(
    svc, tmp_path, tiny_backbone, elsewhere, statuses
):
    assert start(tmp_path, tiny_backbone, KILLED_AT) == -signal.SIGKILL
    assert len(list(svc.checkpoints.iterdir())) == 1
    assert statuses() == ["running"]
    seen = []

    @contextmanager
    def progress(stage, task, steps):
        yield lambda step, loss: seen.append(step)

    spec = recipe(tiny_backbone)
    resumed = svc.lineage.get_run(learn(spec, [], replace(svc, progress=progress)))
    assert seen == list(range(26, 41))  # the checkpoint was of step 25
    whole = elsewhere.lineage.get_run(learn(spec, [], elsewhere))
    assert resumed.prompt == whole.prompt
    assert (resumed.curve, resumed.losses_sha) == (whole.curve, whole.losses_sha)
    assert resumed.request_sha == whole.request_sha
    assert statuses() == ["abandoned", "completed"]
    assert (resumed.attempt, whole.attempt) == (2, 1)
    assert list(svc.checkpoints.iterdir()) == []


if __name__ == "__main__":
    from tests.conftest import make_services

    services = make_services(Path(sys.argv[1]), progress=deadly)
    learn(recipe(sys.argv[2]), [], services)
