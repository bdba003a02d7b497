"""Target adaptation: what is inherited from the source prompt, and what cannot be adapted."""

import pytest
import torch

from pipelines.adapt import NotASource, UnknownStart, adapt
from pipelines.ids import UnknownId
from pipelines.inputs import TooLong
from pipelines.learn import learn
from pipelines.prompts import WrongBackbone
from pipelines.teach import teach

STILL = {"steps": 1, "learning_rate": 1e-12, "factor_learning_rate": 1e-12}


@pytest.fixture
def shared(svc, specs, source, teachers, prompt_of):
    """The source prompt itself."""
    return prompt_of(learn(specs.learn(), teachers, svc))


def test_a_target_prompt_is_recorded_with_the_source_that_it_came_from(svc, specs, source):
    run = svc.lineage.get_run(adapt(specs.adapt(), source, svc))
    prompt = svc.lineage.get_prompt(run.prompt)
    assert (run.status, run.stage, run.task) == ("completed", "adapt", "mini_dining")
    assert (prompt.kind, prompt.task, prompt.tasks) == ("target", "mini_dining", ("mini_dining",))
    assert (prompt.num_tokens, prompt.rank) == (5, 1)
    assert run.reads == (("source", source),)
    score = run.primary("validation")
    assert (score.metric, score.n, score.prompt_sha) == ("accuracy", 12, run.prompt)


def test_a_target_prompt_descends_from_the_teachers_of_its_source(svc, specs, source, teachers):
    run_id = adapt(specs.adapt(), source, svc)
    text = repr(svc.lineage.ancestry(run_id))
    assert all(sha in text for sha in (source, *teachers))


def test_a_source_can_be_named_by_the_first_digits_of_its_digest(svc, specs, source):
    assert adapt(specs.adapt(), source[:8], svc) == adapt(specs.adapt(), source, svc)


def test_training_leaves_the_backbone_and_the_source_alone(svc, specs, source):
    backbone = svc.backbone(specs.backbone, "float32")
    before = {name: weight.clone() for name, weight in backbone.state_dict().items()}
    data = svc.store.get(source)
    adapt(specs.adapt(learning_rate=10.0), source, svc)
    assert all(weight.equal(before[name]) for name, weight in backbone.state_dict().items())
    assert svc.store.get(source) == data


def test_the_shared_part_moves_unless_it_is_frozen(svc, specs, source, shared, prompt_of):
    moved = prompt_of(adapt(specs.adapt(), source, svc))
    frozen = prompt_of(adapt(specs.adapt(freeze_shared=True), source, svc))
    assert not moved.shared.equal(shared.shared)
    assert frozen.shared.equal(shared.shared)
    start = prompt_of(adapt(specs.adapt(freeze_shared=True, **STILL), source, svc))
    assert (frozen.task(0) - start.task(0)).abs().max() > 1e-3


def test_it_starts_at_the_shared_prompt_or_at_a_source_task_s(
    svc, specs, source, shared, prompt_of
):
    identity = prompt_of(adapt(specs.adapt(start="identity", **STILL), source, svc))
    torch.testing.assert_close(identity.task(0), shared.shared)
    for k, name in enumerate(("mini_review", "mini_deed")):
        started = prompt_of(adapt(specs.adapt(start=name, **STILL), source, svc))
        torch.testing.assert_close(started.task(0), shared.task(k))


def test_it_starts_at_the_average_of_the_source_tasks_by_default(
    svc, specs, source, shared, prompt_of
):
    started = prompt_of(adapt(specs.adapt(**STILL), source, svc))
    average = (shared.u[0] @ shared.v[0] + shared.u[1] @ shared.v[1]) / 2  # of rank 2
    left, values, right = torch.linalg.svd(average)
    nearest = values[0] * torch.outer(left[:, 0], right[0])  # of rank 1
    torch.testing.assert_close(started.task(0), shared.shared * nearest, rtol=1e-4, atol=1e-5)


def test_a_prompt_of_another_backbone_is_refused(svc, specs, taught, statuses):
    before = statuses()
    with pytest.raises(WrongBackbone, match=r"for the backbone '.*other.*' \(.*\), not for"):
        adapt(specs.adapt(), taught["foreign source"], svc)
    assert statuses() == before


def test_a_teacher_is_no_source(svc, specs, made, statuses):
    teacher = made(teach(specs.teach(), svc))
    with pytest.raises(NotASource, match="is a teacher prompt for 'mini_review': adapt from"):
        adapt(specs.adapt(), teacher, svc)
    assert statuses() == ["completed"]


def test_an_unknown_start_is_answered_with_the_tasks_that_are_known(svc, specs, source, statuses):
    before = statuses()
    with pytest.raises(UnknownStart, match="knows the tasks mini_review, mini_deed; give one of"):
        adapt(specs.adapt(start="mini_trade"), source, svc)
    assert statuses() == before


def test_an_unknown_source_is_refused(svc, specs, statuses):
    with pytest.raises(UnknownId):
        adapt(specs.adapt(), "0" * 64, svc)
    assert statuses() == []


def test_a_prompt_and_an_input_over_what_the_backbone_declares_are_refused(
    svc, specs, source, statuses
):
    before = statuses()
    with pytest.raises(TooLong, match="a prompt of 5 tokens and inputs of up to 508"):
        adapt(specs.adapt(max_length=508), source, svc)
    assert statuses() == before


def test_a_training_that_fails_leaves_a_failed_row(dying, specs, source, statuses):
    with pytest.raises(MemoryError):
        adapt(specs.adapt(), source, dying(after=2))
    assert statuses()[-1] == "failed"
