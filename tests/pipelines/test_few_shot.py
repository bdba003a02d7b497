"""The few-shot stage on a tiny random Llama: what it keeps, finds again, and refuses."""

import pytest
import torch
from sqlalchemy import select

from mpt.context import SameFirstToken
from mpt.cpt import ContextPrompt
from mpt.peft_format import unpack
from pipelines.check import check_few_shot
from pipelines.evaluate import evaluate
from pipelines.few_shot import ContextInFront, NotDecoderOnly, few_shot
from pipelines.inputs import TooLong
from pipelines.plan import FewShotPlan
from pipelines.prompts import WrongBackbone
from pipelines.spec import Draw, EvaluateSpec, FewShotSpec, TeachSpec
from pipelines.tables import draws
from pipelines.teach import teach
from tasks.draws import TooFewExamples

TASK = "mini_dining"


@pytest.fixture
def spec(tiny_lm):
    return FewShotSpec(
        backbone=tiny_lm, task=TASK, draw=Draw(shots=4, seed=3), steps=3, batch_size=2,
        input_radius=5.0, format_radius=5.0, validation_rows=8,
    )  # fmt: skip


def changed(spec, **values):
    return spec.model_copy(update=values)


def prompt_of(run_id, svc):
    return unpack(svc.store.get(svc.lineage.get_run(run_id).prompt))


def test_a_context_is_drawn_moved_scored_and_recorded(spec, svc):
    run = svc.lineage.get_run(few_shot(spec, None, svc))
    prompt = prompt_of(run.id, svc)
    assert isinstance(prompt, ContextPrompt)
    assert prompt.delta.any()
    assert (prompt.delta.norm(dim=1) <= prompt.radii * (1 + 1e-5)).all()
    assert run.primary("validation").n == 8
    kept = svc.lineage.get_prompt(run.prompt)
    assert (kept.kind, kept.task, kept.num_tokens) == ("context", TASK, len(prompt.ids))
    assert kept.backbone.architecture == "decoder-only"


def test_each_draw_is_a_row_and_points_to_what_it_was_drawn_from(spec, svc):
    run = svc.lineage.get_run(few_shot(spec, None, svc))
    few_shot(changed(spec, draw=Draw(shots=2, per_class=True, seed=9)), None, svc)
    with svc.lineage.database.reading() as connection:
        found = connection.execute(select(draws).order_by(draws.c.seed)).all()
    assert [(one.seed, one.shots, one.per_class) for one in found] == [(3, 4, False), (9, 2, True)]
    assert {one.of_sha for one in found} == {svc.task(TASK).info("train").sha}
    assert ("train", found[0].dataset_sha) in run.datasets


def test_the_same_again_is_found_and_another_draw_is_another_run(spec, svc):
    first = few_shot(spec, None, svc)
    assert few_shot(spec, None, svc) == first
    assert few_shot(changed(spec, draw=Draw(shots=4, seed=4)), None, svc) != first
    assert few_shot(changed(spec, input_radius=1.0), None, svc) != first


def test_no_steps_are_in_context_learning(spec, svc):
    still = prompt_of(few_shot(changed(spec, steps=0), None, svc), svc)
    assert not still.delta.any()
    run = few_shot(changed(spec, input_radius=0.0, format_radius=0.0), None, svc)
    assert torch.equal(prompt_of(run, svc).task(0), still.task(0))


def test_a_context_is_tested_as_any_prompt(spec, svc):
    prompt = svc.lineage.get_run(few_shot(spec, None, svc)).prompt
    asked = EvaluateSpec(backbone=spec.backbone, task=TASK, test_rows=9)
    tested = svc.lineage.get_run(evaluate(asked, prompt, svc))
    assert tested.primary("test").n == 9
    assert ("evaluated", prompt) in tested.reads


def test_a_source_prompt_in_front_is_in_its_lineage_and_in_the_context(spec, svc):
    teacher = TeachSpec(backbone=spec.backbone, task="mini_review", prompt_length=5, steps=1,
                        batch_size=2, validation_rows=4)  # fmt: skip
    front = svc.lineage.get_run(teach(teacher, svc)).prompt
    run = svc.lineage.get_run(few_shot(spec, front, svc))
    prompt = prompt_of(run.id, svc)
    assert run.reads == (("front", front),)
    assert torch.equal(prompt.task(0)[:5], unpack(svc.store.get(front)).task(0))
    assert svc.lineage.get_prompt(run.prompt).num_tokens == 5 + len(prompt.ids)
    with pytest.raises(ContextInFront, match="put a source, target or teacher prompt"):
        few_shot(spec, run.prompt, svc)


def test_prompt_tuning_on_a_draw_trains_on_its_examples_only(spec, svc):
    few = TeachSpec(backbone=spec.backbone, task=TASK, prompt_length=5, steps=1, batch_size=2,
                    validation_rows=4, draw=spec.draw)  # fmt: skip
    run = svc.lineage.get_run(teach(few, svc))
    mine = svc.lineage.get_run(few_shot(spec, None, svc))
    assert dict(run.datasets)["train"] == dict(mine.datasets)["train"]


def test_an_encoder_decoder_is_refused(spec, svc, tiny_backbone):
    with pytest.raises(NotDecoderOnly, match="needs a decoder-only one; give nano-lm"):
        few_shot(changed(spec, backbone=tiny_backbone), None, svc)


def test_a_front_of_another_backbone_is_refused(spec, svc, tiny_backbone):
    teacher = TeachSpec(backbone=tiny_backbone, task="mini_review", prompt_length=5, steps=1,
                        batch_size=2, validation_rows=4)  # fmt: skip
    front = svc.lineage.get_run(teach(teacher, svc)).prompt
    with pytest.raises(WrongBackbone):
        few_shot(spec, front, svc)


def test_a_context_that_does_not_fit_is_refused(spec, svc):
    with pytest.raises(TooLong, match="declares 512: give fewer shots"):
        few_shot(changed(spec, draw=Draw(shots=64)), None, svc)


def test_more_shots_than_rows_are_refused(spec, svc):
    with pytest.raises(TooFewExamples, match="draw fewer"):
        few_shot(changed(spec, draw=Draw(shots=1500, per_class=True)), None, svc)


def test_labels_with_one_first_token_are_refused(spec, svc):
    with pytest.raises(SameFirstToken, match="begin with the same token"):
        few_shot(changed(spec, task="mini_told"), None, svc)


def test_nothing_that_is_refused_leaves_a_run(spec, svc):
    plan = FewShotPlan(backbone=spec.backbone, tasks=["mini_told"], draws=2)
    with pytest.raises(SameFirstToken):
        check_few_shot(plan, None, svc)
    with pytest.raises(SameFirstToken):
        few_shot(changed(spec, task="mini_told"), None, svc)
    with svc.lineage.database.reading() as connection:
        assert not connection.execute(select(draws)).all()
