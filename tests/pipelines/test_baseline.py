"""Baselines as stages: with the budget and the exams of `teach`, and nothing left but scores."""

import json

import pytest
from pydantic import ValidationError
from torch.testing import assert_close

from mpt.fingerprint import fingerprint
from mpt.train import NonFinite
from pipelines.baseline import baseline, check_baseline
from pipelines.baseline_spec import BaselineSpec
from pipelines.capability import BASELINES, FAMILIES, METHODS, CannotWork, check_method
from pipelines.evaluate import evaluate
from pipelines.inputs import TooLong
from pipelines.spec import EvaluateSpec, TeachSpec
from pipelines.teach import teach

TASK = "mini_dining"
LENGTHS = {"prompt_length": 5}


@pytest.fixture
def spec(tiny_backbone):
    """Return a maker of recipes that take a fraction of a second."""

    def make(method="lora", **others):
        given = {
            "backbone": tiny_backbone, "task": TASK, "method": method, "steps": 4, "batch_size": 4,
            "validations": 2, "train_rows": 40, "validation_rows": 12, "test_rows": 15,
        }  # fmt: skip
        own = LENGTHS if "prompt_length" in BASELINES[method].options else {}
        return BaselineSpec(**given | own | others)

    return make


def losses_of(run, svc):
    return json.loads(svc.store.get(run.losses_sha))


def answers_of(run, svc):
    return {one.split: json.loads(svc.store.get(one.predictions_sha)) for one in run.scores}


def test_a_baseline_leaves_scores_of_both_splits_and_no_prompt(svc, spec):
    run = svc.lineage.get_run(baseline(spec(), svc))
    given = svc.task(TASK)
    assert (run.status, run.stage, run.task, run.prompt) == ("completed", "baseline", TASK, None)
    scores = {one.split: (one.method, one.n, one.is_primary) for one in run.scores}
    assert scores == {"validation": ("lora", 12, True), "test": ("lora", 15, True)}
    assert dict(run.datasets) == {
        "train": given.info("train", 40).sha,
        "validation": given.info("validation", 12).sha,
        "test": given.info("test", 15).sha,
    }
    assert [step for step, _ in run.curve] == [2, 4]
    assert len(losses_of(run, svc)) == 4
    assert run.primary("validation").value == max(score for _, score in run.curve)
    assert list(svc.checkpoints.iterdir()) == []
    # Two layers' and three attentions' query and value: rank 8 of 32 and 32.
    assert run.trained == 2 * 3 * 2 * 8 * (32 + 32)
    assert baseline(spec(), svc) == run.id


def test_prompt_tuning_through_peft_is_our_prompt_tuning(svc, spec):
    ours = TeachSpec(
        backbone=spec().backbone, task=TASK, steps=12, batch_size=4, validations=2, train_rows=40,
        validation_rows=12, prompt_length=5, learning_rate=0.3,
    )  # fmt: skip
    taught = svc.lineage.get_run(teach(ours, svc))
    theirs = svc.lineage.get_run(baseline(spec("prompt_tuning", steps=12), svc))
    assert_close(losses_of(theirs, svc), losses_of(taught, svc), rtol=1e-3, atol=1e-3)
    assert theirs.curve == taught.curve
    assert theirs.trained == taught.trained == 5 * 32
    asked = EvaluateSpec(backbone=ours.backbone, task=TASK, test_rows=15)
    tested = svc.lineage.get_run(evaluate(asked, taught.prompt, svc))
    found = answers_of(theirs, svc)
    assert found["test"] == answers_of(tested, svc)["test"]
    assert found["validation"] == answers_of(taught, svc)["validation"]


@pytest.mark.parametrize("method", ["lora", "full", "p_tuning_v2"])
def test_the_backbone_that_others_use_stays_as_it_was(method, svc, spec):
    backbone = svc.backbone(spec().backbone, "float32")
    before = {name: weight.clone() for name, weight in backbone.state_dict().items()}
    baseline(spec(method), svc)
    assert_close(backbone.state_dict(), before, rtol=0, atol=0)
    assert fingerprint(backbone.model, backbone.model.config, backbone.tokenizer) == backbone.digest
    assert not any(weight.requires_grad for weight in backbone.parameters())


def test_free_text_is_answered_too(svc, spec):
    run = svc.lineage.get_run(baseline(spec(task="mini_told", steps=1), svc))
    assert all(isinstance(one, str) for one in answers_of(run, svc)["test"])


def test_every_method_learns_at_its_default_rate_on_a_causal_model(svc, spec, tiny_lm):
    for method in METHODS:
        asked = spec(method, backbone=tiny_lm, steps=8, train_rows=8, batch_size=8)
        run = svc.lineage.get_run(baseline(asked, svc))
        losses = losses_of(run, svc)
        assert losses[-1] < losses[0], method
        assert {one.method for one in run.scores} == {method}


def test_a_method_has_its_own_defaults_and_no_options_of_others(spec):
    assert spec("lora").learning_rate == 1e-3
    assert spec("lora").options == {"rank": 8}
    assert spec("full", learning_rate=0.5).learning_rate == 0.5
    assert spec("llama_adapter").options == {"adapter_length": 10, "adapter_layers": None}
    for method, strange in (("lora", {"prompt_length": 4}), ("prompt_tuning", {"rank": 2})):
        (name,) = strange
        with pytest.raises(ValidationError, match=f"{method} has no {name}; its options: "):
            spec(method, **strange)
    again = BaselineSpec.model_validate_json(spec("llama_adapter").model_dump_json())
    assert again == spec("llama_adapter")


REFUSED = {
    "an adapter on a T5": ({"method": "llama_adapter"}, CannotWork, "use one of prompt_tuning"),
    "full fine-tuning in bfloat16": (
        {"method": "full", "precision": "bfloat16"}, CannotWork, "give float32",
    ),
    "a prompt that is too long": (
        {"method": "p_tuning_v2", "max_length": 511}, TooLong, "declares 512",
    ),
}  # fmt: skip


@pytest.mark.parametrize("wrong", REFUSED)
def test_what_cannot_work_is_refused_in_one_line_and_leaves_no_run(wrong, svc, spec, statuses):
    changes, error, says = REFUSED[wrong]
    for asked in (baseline, check_baseline):
        with pytest.raises(error, match=says) as caught:
            asked(spec(**changes), svc)
        assert "\n" not in str(caught.value)
    assert statuses() == []


def test_a_shape_that_peft_does_not_foresee_is_refused_before_it_is_queued(
    svc, spec, tiny_lm, statuses
):
    with pytest.raises(CannotWork, match=r"\(Config specifies more adapter layers '3'") as caught:
        check_baseline(spec("llama_adapter", backbone=tiny_lm, adapter_layers=3), svc)
    assert "\n" not in str(caught.value)
    check_baseline(spec("llama_adapter", backbone=tiny_lm, adapter_layers=2), svc)
    assert statuses() == []


def test_the_table_says_of_every_cell_why_not():
    assert {one.name for one in BASELINES.values()} == set(METHODS)
    for method in BASELINES.values():
        assert set(method.cells) == set(FAMILIES)
        for cell in method.cells.values():
            assert cell.works or cell.note
    check_method("llama_adapter", "mine", "mistral", "float32")
    with pytest.raises(CannotWork, match="does not work on 'mine'"):
        check_method("llama_adapter", "mine", "qwen2", "float32")


def test_a_training_that_goes_to_infinity_is_a_failed_run(svc, spec, statuses):
    with pytest.raises(NonFinite):
        baseline(spec("full", learning_rate=1e30, steps=8), svc)
    assert statuses() == ["failed"]


def test_a_baseline_that_dies_goes_on_and_ends_as_if_it_had_not(
    svc, spec, dying, counting, tmp_path, services_at, statuses
):
    asked = spec("p_tuning_lstm", steps=36, validations=4)
    with pytest.raises(MemoryError):
        baseline(asked, dying(33))
    on, steps = counting
    resumed = svc.lineage.get_run(baseline(asked, on))
    assert steps == [("baseline", step) for step in range(26, 37)]  # the checkpoint was of step 25
    elsewhere = services_at(tmp_path / "undisturbed")
    whole = elsewhere.lineage.get_run(baseline(asked, elsewhere))
    elsewhere.lineage.close()
    assert (resumed.curve, resumed.losses_sha) == (whole.curve, whole.losses_sha)
    kept = [[(one.value, one.predictions_sha) for one in run.scores] for run in (resumed, whole)]
    assert kept[0] == kept[1]
    assert statuses() == ["failed", "completed"]
