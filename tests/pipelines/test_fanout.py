"""Several tasks on one backbone at once: in lineage as if each had run alone."""

import shutil

import pytest
import torch
from torch.testing import assert_close

from mpt.peft_format import unpack
from pipelines import fanout
from pipelines.adapt import adapt
from pipelines.fanout import fan_out
from pipelines.ids import UnknownId
from pipelines.teach import teach

TARGETS = ("mini_dining", "mini_order", "mini_pursuit")


@pytest.fixture
def elsewhere(school, services_at, tmp_path):
    """Services in another folder with the same source prompt."""
    folder = shutil.copytree(school[0], tmp_path / "elsewhere")
    svc = services_at(folder)
    yield svc
    svc.lineage.close()


def tensors(prompt):
    return [weight.detach() for weight in prompt.parameters()]


def test_each_target_is_a_run_of_its_own_and_what_it_is_alone(
    svc, specs, source, prompt_of, elsewhere
):
    asked = [specs.adapt(task=task) for task in TARGETS]
    runs = fan_out(asked, source, svc)
    assert [svc.lineage.get_run(run).task for run in runs] == list(TARGETS)
    assert all(svc.lineage.get_run(run).reads == (("source", source),) for run in runs)
    for run, spec in zip(runs, asked, strict=True):
        there = elsewhere.lineage.get_run(adapt(spec, source, elsewhere))
        here = svc.lineage.get_run(run)
        assert here.request_sha == there.request_sha
        assert here.curve == there.curve
        expected = unpack(elsewhere.store.get(there.prompt))
        assert_close(tensors(prompt_of(run)), tensors(expected), rtol=1e-3, atol=1e-4)


def test_what_is_done_is_found_and_teachers_go_together_too(svc, specs):
    first = teach(specs.teach("mini_review"), svc)
    found = fan_out([specs.teach("mini_review"), specs.teach("mini_deed")], None, svc)
    assert found[0] == first
    assert svc.lineage.get_run(found[1]).stage == "teach"


def test_one_that_fails_is_recorded_as_failed_and_the_others_end(svc, specs, source, statuses):
    fast = {"learning_rate": 1e30, "factor_learning_rate": 1e30, "steps": 8}
    fine, failed = fan_out(
        [specs.adapt(task="mini_dining"), specs.adapt(task="mini_order", **fast)], source, svc
    )
    assert svc.lineage.get_run(fine).status == "completed"
    assert isinstance(failed, ArithmeticError)
    assert sorted(statuses()[-2:]) == ["completed", "failed"]


def test_what_does_not_fit_in_memory_together_goes_one_after_the_other(
    svc, specs, source, monkeypatch
):
    groups = []

    def noted(backbone, trainings):
        groups.append(len(trainings))
        return together(backbone, trainings)

    together = fanout.together
    monkeypatch.setattr(fanout, "together", noted)
    monkeypatch.setattr(fanout, "step_bytes", lambda size, rows, *_: rows)
    monkeypatch.setattr(fanout, "free_bytes", lambda device: 11)  # rows; a target has 4 in a batch
    assert len(fan_out([specs.adapt(task=task) for task in TARGETS], source, svc)) == 3
    assert groups == [2, 1]


def test_where_memory_ends_after_all_both_halves_go_on(svc, specs, source, monkeypatch):
    def cramped(backbone, trainings):
        if len(trainings) > 1:
            raise torch.OutOfMemoryError
        return together(backbone, trainings)

    together = fanout.together
    monkeypatch.setattr(fanout, "together", cramped)
    runs = fan_out([specs.adapt(task=task) for task in TARGETS], source, svc)
    assert [svc.lineage.get_run(run).task for run in runs] == list(TARGETS)


def test_an_unknown_source_is_refused(svc, specs, statuses):
    with pytest.raises(UnknownId):
        fan_out([specs.adapt()], "0" * 64, svc)
    assert statuses() == []
