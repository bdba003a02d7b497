"""Teachers: what a training leaves in lineage and in the store, and what it leaves alone."""

import json
import shutil
from dataclasses import replace

import pytest
import torch
from sqlalchemy import select

import tasks
from mpt.checkpoint import CheckpointIgnored
from mpt.initial import vocabulary
from mpt.train import NonFinite
from pipelines.inputs import TooLong
from pipelines.spec import TeachSpec
from pipelines.tables import prompts, runs
from pipelines.teach import teach
from pipelines.training import generator


def test_a_teacher_is_recorded_with_what_it_read_and_how_good_it_is(svc, specs):
    spec = specs.teach()
    run = svc.lineage.get_run(teach(spec, svc))
    given = svc.task("mini_review")
    prompt = svc.lineage.get_prompt(run.prompt)
    assert (run.status, run.stage, run.task, run.seed) == ("completed", "teach", "mini_review", 0)
    assert (prompt.kind, prompt.task, prompt.rank, prompt.tasks) == (
        "teacher",
        "mini_review",
        None,
        (),
    )
    assert (prompt.num_tokens, prompt.hidden_size) == (5, 32)
    assert prompt.backbone.sha == run.backbone_sha == svc.backbone(spec.backbone, "float32").digest
    assert prompt.bytes == len(svc.store.get(run.prompt))
    read = {"train": given.data.train[:40], "validation": given.data.validation[:12]}
    assert dict(run.datasets) == {
        role: tasks.digest(given.task, examples) for role, examples in read.items()
    }
    assert TeachSpec.model_validate(run.spec) == spec


def test_its_validation_score_is_recorded_with_its_answers(svc, specs):
    run = svc.lineage.get_run(teach(specs.teach(), svc))
    examples = svc.task("mini_review").examples("validation", 12)
    score, plain = run.scores
    assert (plain.method, plain.dataset_sha) == ("majority", score.dataset_sha)
    right = [json.loads(svc.store.get(plain.predictions_sha))[0] in one.answers for one in examples]
    assert plain.value == pytest.approx(100 * sum(right) / 12)
    answers = json.loads(svc.store.get(score.predictions_sha))
    assert (score.metric, score.split, score.n, score.is_primary) == (
        "accuracy",
        "validation",
        12,
        True,
    )
    assert set(answers) <= {"negative", "positive"}
    right = [guess in one.answers for guess, one in zip(answers, examples, strict=True)]
    assert score.value == pytest.approx(100 * sum(right) / 12)
    assert score.value == max(value for _, value in run.curve)


def test_its_loss_of_each_step_is_kept(svc, specs):
    run = svc.lineage.get_run(teach(specs.teach(steps=6), svc))
    losses = json.loads(svc.store.get(run.losses_sha))
    assert len(losses) == 6
    assert all(loss > 0 for loss in losses)


@pytest.mark.parametrize(
    ("steps", "validations", "at"),
    [(6, 3, [2, 4, 6]), (7, 3, [3, 6, 7]), (5, 4, [2, 4, 5]), (2, 9, [1, 2]), (4, 1, [4])],
)
def test_it_is_validated_no_more_often_than_asked_and_always_at_the_end(
    svc, specs, steps, validations, at
):
    run = svc.lineage.get_run(teach(specs.teach(steps=steps, validations=validations), svc))
    assert [step for step, _ in run.curve] == at


def test_a_copy_of_the_backbone_under_another_name_is_the_same_run(svc, specs, tmp_path):
    shutil.copytree(specs.backbone, tmp_path / "copy")
    again = specs.teach(backbone=str(tmp_path / "copy"))
    assert teach(again, svc) == teach(specs.teach(), svc)


def test_another_backbone_is_another_run(svc, specs, other_backbone):
    assert teach(specs.teach(backbone=other_backbone), svc) != teach(specs.teach(), svc)


@pytest.mark.parametrize("limit", ["max_input", "max_answer"])
def test_how_much_of_a_text_its_task_keeps_is_identity(svc, specs, limit):
    first = teach(specs.teach(), svc)
    given = svc.task("mini_review")
    shorter = replace(given, task=replace(given.task, **{limit: 8}))
    assert teach(specs.teach(), replace(svc, task=lambda name: shorter)) != first


def test_it_starts_from_the_vocabulary_and_moves_away(svc, specs, prompt_of):
    spec = specs.teach()
    start = vocabulary(svc.backbone(spec.backbone, "float32"), 5, generator(0))
    still = prompt_of(teach(specs.teach(learning_rate=1e-12), svc)).task(0)
    moved = prompt_of(teach(spec, svc)).task(0)
    torch.testing.assert_close(still, start)
    assert (moved - start).abs().max() > 0.01


def test_training_leaves_the_backbone_alone(svc, specs):
    backbone = svc.backbone(specs.backbone, "float32")
    before = {name: weight.clone() for name, weight in backbone.state_dict().items()}
    teach(specs.teach(learning_rate=10.0), svc)
    assert all(weight.equal(before[name]) for name, weight in backbone.state_dict().items())
    assert all(weight.grad is None for weight in backbone.parameters())


def test_a_backbone_in_bfloat16_is_another_run_with_a_float32_prompt(svc, specs, prompt_of):
    run = teach(specs.teach(precision="bfloat16"), svc)
    assert prompt_of(run).task(0).dtype == torch.float32
    assert run != teach(specs.teach(), svc)


def test_texts_that_are_cut_are_counted(svc, specs):
    spec = specs.teach(max_length=16)
    backbone, given = svc.backbone(spec.backbone, "float32"), svc.task("mini_review")
    texts = [one.input for one in given.data.train[:40] + given.data.validation[:12]]
    long = sum(len(ids) + 1 > 16 for ids in backbone.tokens(texts))  # with the end token
    assert 0 < long < 52
    assert svc.lineage.get_run(teach(spec, svc)).truncated == long
    assert svc.lineage.get_run(teach(specs.teach(), svc)).truncated == 0


def test_what_is_odd_about_the_rows_is_recorded(svc, specs, write_rows):
    row = {"premise": "a", "hypothesis": "b", "label": 0}
    write_rows("mnli", "train", [row | {"premise": f"a{at}"} for at in range(1010)])
    write_rows("mnli", "validation_matched", [row])
    run = svc.lineage.get_run(teach(specs.teach("mnli"), svc))
    (warning,) = run.warnings
    assert "'mnli' has no split 'validation_mismatched' here" in warning


@pytest.mark.parametrize("others", [{"prompt_length": 385}, {"max_length": 508}])
def test_a_prompt_and_an_input_over_what_the_backbone_declares_are_refused(
    svc, specs, statuses, others
):
    with pytest.raises(TooLong, match=r"make 513, but '.*' declares 512: give a shorter"):
        teach(specs.teach(**others), svc)
    assert statuses() == []


def test_as_long_as_the_backbone_declares_is_not_too_long(svc, specs):
    teach(specs.teach(max_length=507, steps=1), svc)


@pytest.mark.parametrize("task", ["mini_revue", "rte"])
def test_an_unknown_task_or_missing_rows_are_refused(svc, specs, statuses, task):
    with pytest.raises(LookupError, match=r"did you mean 'mini_review'|no train rows of 'rte'"):
        teach(specs.teach(task), svc)
    assert statuses() == []


def test_a_training_that_fails_leaves_its_error_in_one_line_and_no_prompt(dying, specs, statuses):
    svc = dying(after=3)
    with pytest.raises(MemoryError):
        teach(specs.teach(), svc)
    assert statuses() == ["failed"]
    with svc.lineage.database.reading() as connection:
        assert connection.scalars(select(runs.c.error)).all() == ["MemoryError: out of memory"]
        assert connection.scalars(select(prompts.c.sha)).all() == []


def test_what_stops_the_forward_pass_is_the_error_of_the_run(svc, specs, monkeypatch):
    def broken(backbone, asked):
        raise MemoryError("no room")

    monkeypatch.setattr("pipelines.tuning.loss_of", broken)
    with pytest.raises(MemoryError):
        teach(specs.teach(), svc)
    with svc.lineage.database.reading() as connection:
        assert connection.scalars(select(runs.c.error)).all() == ["MemoryError: no room"]


def test_a_training_that_failed_can_be_asked_for_again(svc, dying, specs, statuses, made):
    with pytest.raises(MemoryError):
        teach(specs.teach(), dying(after=3))
    run = svc.lineage.get_run(teach(specs.teach(), svc))
    assert statuses() == ["failed", "completed"]
    assert run.attempt == 2


def test_a_loss_that_is_no_number_ends_the_training(svc, specs, statuses):
    with pytest.raises(NonFinite, match="try smaller learning rates"):
        teach(specs.teach(learning_rate=1e37, steps=40, warmup=0.0), svc)
    assert statuses() == ["failed"]


def test_a_training_goes_on_where_it_failed_and_ends_with_the_same_bytes(
    counting, dying, specs, monkeypatch, made
):
    svc, steps = counting
    spec = specs.teach(steps=60)
    with pytest.raises(MemoryError):
        teach(spec, dying(after=52))
    resumed = teach(spec, svc)
    first = steps[0][1]
    assert 1 < first <= 53  # it did not begin anew
    assert list(svc.checkpoints.iterdir()) == []
    monkeypatch.setattr(TeachSpec, "version", 2)
    whole = teach(spec, svc)
    assert len(steps) == (60 - first + 1) + 60
    runs = [svc.lineage.get_run(run_id) for run_id in (resumed, whole)]
    assert runs[0].prompt == runs[1].prompt
    assert (runs[0].curve, runs[0].losses_sha) == (runs[1].curve, runs[1].losses_sha)


def test_a_broken_checkpoint_is_not_trained_on(svc, dying, specs, monkeypatch, made):
    spec = specs.teach(steps=30)
    with pytest.raises(MemoryError):
        teach(spec, dying(after=26))
    (file,) = svc.checkpoints.iterdir()
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.warns(CheckpointIgnored, match="training starts afresh"):
        broken = teach(spec, svc)
    monkeypatch.setattr(TeachSpec, "version", 2)
    assert made(broken) == made(teach(spec, svc))
