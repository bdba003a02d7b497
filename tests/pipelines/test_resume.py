"""A real SIGKILL in a training. Run as a program, this file is what is killed."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.few_shot import few_shot
from pipelines.group import adapt_group, train_group
from pipelines.group_spec import GroupSpec
from pipelines.learn import learn
from pipelines.spec import Draw, FewShotSpec, LearnSpec, TeachSpec
from pipelines.teach import teach

ROOT = Path(__file__).parents[2]
KILLED_AT = 33  # of 40 steps


def learn_source(backbone, svc):
    """Learn from teachers whose states are kept: rows come again."""
    tasks = ["mini_review", "mini_deed"]
    given = {"backbone": backbone, "prompt_length": 5, "batch_size": 4, "validation_rows": 12}
    taught = [teach(TeachSpec(task=task, steps=2, **given), svc) for task in tasks]
    spec = LearnSpec(tasks=tasks, steps=40, validations=4, train_rows=40, **given)
    return learn(spec, [svc.lineage.get_run(one).prompt for one in taught], svc)


def move_context(backbone, svc):
    spec = FewShotSpec(
        backbone=backbone, task="mini_dining", draw=Draw(shots=4), steps=40, batch_size=2,
        validations=4, validation_rows=12, input_radius=5.0,
    )  # fmt: skip
    return few_shot(spec, None, svc)


def adapt_together(backbone, svc):
    """Adapt a group; return the run that trained it, and hold that its members are its parts."""
    given = {"backbone": backbone, "batch_size": 4, "train_rows": 40, "validation_rows": 12}
    learned = LearnSpec(
        tasks=["mini_review", "mini_deed"], steps=2, prompt_length=5,
        distillation={"weight": 0}, **given,
    )  # fmt: skip
    source = svc.lineage.get_run(learn(learned, [], svc)).prompt
    spec = GroupSpec(tasks=["mini_dining", "mini_order"], steps=40, validations=4, **given)
    for run in adapt_group(spec, source, svc):
        assert svc.lineage.get_run(run).status == "completed"
    return train_group(spec, source, svc)


STAGES = {
    "learn": ("tiny_backbone", learn_source),
    "few_shot": ("tiny_lm", move_context),
    "group": ("tiny_backbone", adapt_together),
}


def start(folder, kind, backbone):
    """Run this file in another process; return its exit status."""
    command = [sys.executable, __file__, str(folder), kind, backbone]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, env=env, check=False, timeout=120).returncode


@contextmanager
def deadly(stage, task, steps):
    def on_step(step, loss):
        if step == KILLED_AT:
            os.kill(os.getpid(), signal.SIGKILL)

    yield on_step


@pytest.fixture
def elsewhere(tmp_path, services_at):
    svc = services_at(tmp_path / "undisturbed")
    yield svc
    svc.lineage.close()


@pytest.mark.parametrize("kind", STAGES)
def test_a_killed_training_ends_as_if_nobody_had_killed_it(
    kind, svc, tmp_path, request, elsewhere, statuses
):
    fixture, stage = STAGES[kind]
    backbone = request.getfixturevalue(fixture)
    assert start(tmp_path, kind, backbone) == -signal.SIGKILL
    assert len(list(svc.checkpoints.iterdir())) == 1
    before = statuses()
    assert before[-1] == "running"
    seen = []

    @contextmanager
    def progress(stage, task, steps):
        yield lambda step, loss: seen.append(step)

    resumed = svc.lineage.get_run(stage(backbone, replace(svc, progress=progress)))
    assert seen == list(range(seen[0], 41))
    assert 1 < seen[0] <= KILLED_AT + 1  # it did not begin anew
    whole = elsewhere.lineage.get_run(stage(backbone, elsewhere))
    assert resumed.prompt == whole.prompt
    assert (resumed.curve, resumed.losses_sha) == (whole.curve, whole.losses_sha)
    assert resumed.request_sha == whole.request_sha
    assert statuses()[len(before) - 1 :][:2] == ["abandoned", "completed"]
    assert (resumed.attempt, whole.attempt) == (2, 1)
    assert resumed.steps == whole.steps == resumed.max_steps
    # What it went on from is known, though the checkpoint is gone.
    assert len(resumed.resumed_sha) == 64
    assert whole.resumed_sha is None
    assert list(svc.checkpoints.iterdir()) == []


if __name__ == "__main__":
    from tests.conftest import make_services

    services = make_services(Path(sys.argv[1]), progress=deadly)
    STAGES[sys.argv[2]][1](sys.argv[3], services)
