"""Source training: one prompt for several tasks, from teachers, and who its teachers may be."""

import json

import pytest
import torch

from mpt.initial import vocabulary
from mpt.prompt import MultitaskPrompt
from pipelines.ids import UnknownId
from pipelines.inputs import TooLong
from pipelines.learn import WrongTeachers, learn
from pipelines.prompts import WrongBackbone
from pipelines.teach import teach
from pipelines.training import generator

STILL = {"steps": 1, "learning_rate": 1e-12, "factor_learning_rate": 1e-12}


def test_a_source_prompt_is_recorded_with_its_tasks_and_its_teachers(svc, specs, teachers):
    run = svc.lineage.get_run(learn(specs.learn(), teachers, svc))
    prompt = svc.lineage.get_prompt(run.prompt)
    assert (run.status, run.stage, run.task) == ("completed", "learn", "multitask")
    assert (prompt.kind, prompt.tasks, prompt.rank) == ("source", ("mini_review", "mini_deed"), 1)
    assert (prompt.num_tokens, prompt.hidden_size) == (5, 32)
    assert set(run.reads) == {("teacher", sha) for sha in teachers}
    read = {
        (split, svc.task(name).info(split, rows).sha)
        for name in ("mini_review", "mini_deed")
        for split, rows in (("train", 40), ("validation", 12))
    }
    assert set(run.datasets) == read


def test_a_source_prompt_descends_from_its_teachers(svc, source, teachers):
    tree = svc.lineage.ancestry(source)
    text = repr(tree)
    assert all(sha in text for sha in teachers)


def test_its_score_is_the_mean_over_the_tasks_and_each_task_s_is_kept(svc, source, specs, teachers):
    run = svc.lineage.get_run(learn(specs.learn(), teachers, svc))
    mean, *each = (one for one in run.scores if one.method == "prompt")
    assert (mean.metric, mean.n, mean.is_primary) == ("mean", 24, True)
    assert [(one.metric, one.n, one.is_primary) for one in each] == [("accuracy", 12, False)] * 2
    assert mean.value == pytest.approx(sum(one.value for one in each) / 2)
    assert mean.value == max(value for _, value in run.curve)
    for name, score in zip(("mini_review", "mini_deed"), each, strict=True):
        answers = json.loads(svc.store.get(score.predictions_sha))
        examples = svc.task(name).examples("validation", 12)
        right = [guess in one.answers for guess, one in zip(answers, examples, strict=True)]
        assert score.value == pytest.approx(100 * sum(right) / 12)
    plain = [one for one in run.scores if one.method == "majority"]
    assert [(one.metric, one.n) for one in plain] == [("mean", 24)] + [("accuracy", 12)] * 2
    assert plain[0].value == pytest.approx(sum(one.value for one in plain[1:]) / 2)


def test_what_teachers_say_is_kept_where_rows_come_again_and_no_state_is_inside(
    svc, specs, teachers
):
    kept = svc.cache / "teachers"
    learn(specs.learn(steps=2, batch_size=4), teachers, svc)  # 8 of 80 rows
    assert not kept.exists()
    inner = {"decoder_layers": [-1, 1]}
    learn(specs.learn(steps=4, batch_size=32, distillation=inner), teachers, svc)
    assert not kept.exists()
    learn(specs.learn(steps=4, batch_size=32), teachers, svc)
    assert len(list(kept.iterdir())) == 2


def test_training_leaves_the_backbone_alone(svc, specs, teachers):
    backbone = svc.backbone(specs.backbone, "float32")
    before = {name: weight.clone() for name, weight in backbone.state_dict().items()}
    learn(specs.learn(learning_rate=10.0), teachers, svc)
    assert all(weight.equal(before[name]) for name, weight in backbone.state_dict().items())


def test_other_teachers_make_another_prompt(svc, specs, teachers, made):
    others = [made(teach(specs.teach(task, seed=1), svc)) for task in specs.learn().tasks]
    first, second = (learn(specs.learn(), given, svc) for given in (teachers, others))
    assert made(first) != made(second)


@pytest.mark.parametrize(
    "others",
    [
        {"distillation": {"weight": 5.0}},
        {"distillation": {"temperature": 50.0}},
        {"distillation": {"logits": False}},
        {"distillation": {"decoder_layers": []}},
        {"distillation": {"encoder_layers": [-1]}},
        {"rank": 2},
        {"factors": "peft"},
        {"start": "teachers"},
        {"learning_rate": 0.9},
        {"factor_learning_rate": 0.9},
        {"warmup": 0.9},
        {"clip": 0.001},
        {"weight_decay": 0.9},
        {"train_rows": 41},
        {"batch_size": 5},
        {"max_length": 9},
    ],
)
def test_a_value_of_the_spec_reaches_the_training(svc, specs, source, teachers, made, others):
    assert made(learn(specs.learn(**others), teachers, svc)) != source


def test_the_sampling_cap_levels_tasks_of_unequal_size(svc, specs, write_rows, made):
    write_rows("cb", "train", [{"premise": f"{at}", "hypothesis": "b", "label": 0} for at in "ab"])
    write_rows("cb", "validation", [{"premise": "a", "hypothesis": "b", "label": 0}] * 2)
    spec = {"tasks": ["mini_review", "cb"], "distillation": {"weight": 0}}
    capped, free = (learn(specs.learn(**spec, sampling_cap=cap), [], svc) for cap in (2, 2**18))
    assert made(capped) != made(free)


def test_vectors_of_tasks_that_a_batch_lacks_rest_unless_the_spec_lets_them_move(
    svc, specs, teachers, made
):
    rest, move = (
        made(learn(specs.learn(batch_size=1, freeze_absent_tasks=freeze), teachers, svc))
        for freeze in (True, False)
    )
    assert rest != move


def test_it_starts_from_the_vocabulary_with_every_task_at_the_shared_prompt(
    svc, specs, teachers, prompt_of
):
    prompt = prompt_of(learn(specs.learn(**STILL), teachers, svc))
    start = vocabulary(svc.backbone(specs.backbone, "float32"), 5, generator(0))
    assert isinstance(prompt, MultitaskPrompt)
    for k in range(2):
        torch.testing.assert_close(prompt.task(k), start)


def test_it_can_start_from_the_mean_of_the_teachers(svc, specs, teachers, prompt_of):
    prompt = prompt_of(learn(specs.learn(start="teachers", **STILL), teachers, svc))
    runs = [teach(specs.teach(task), svc) for task in specs.learn().tasks]
    one, other = (prompt_of(run).task(0) for run in runs)
    torch.testing.assert_close(prompt.shared, (one + other) / 2)


def test_without_distillation_no_teacher_is_needed_or_read(svc, specs, teachers):
    spec = specs.learn(distillation={"weight": 0})
    run_id = learn(spec, [], svc)
    assert learn(spec, teachers, svc) == run_id
    assert svc.lineage.get_run(run_id).reads == ()


def test_texts_that_are_cut_are_counted_over_all_tasks(svc, specs, teachers):
    run = svc.lineage.get_run(learn(specs.learn(max_length=3), teachers, svc))
    assert run.truncated == 2 * (40 + 12)


# Who may not teach


def test_teachers_of_other_tasks_or_in_another_order_are_refused(svc, specs, teachers, statuses):
    one, other = teachers
    before = statuses()
    for given in ([other, one], [one], [one, one], [one, other, other], []):
        with pytest.raises(WrongTeachers, match="give one teacher of that length for each task"):
            learn(specs.learn(), given, svc)
    assert statuses() == before


def test_a_teacher_of_another_length_is_refused(svc, specs, teachers, made, statuses):
    shorter = made(teach(specs.teach(prompt_length=4), svc))
    before = statuses()
    with pytest.raises(WrongTeachers, match=r"has 5 tokens, .* mini_review \(4 tokens\), mini_d"):
        learn(specs.learn(), [shorter, teachers[1]], svc)
    assert statuses() == before


def test_a_teacher_of_another_backbone_is_refused(svc, specs, taught, statuses):
    before = statuses()
    with pytest.raises(WrongBackbone, match="use that backbone, or learn a source prompt"):
        learn(specs.learn(), [taught["foreign teacher"], taught["teachers"][1]], svc)
    assert statuses() == before


def test_an_unknown_teacher_is_refused(svc, specs, teachers, statuses):
    before = statuses()
    with pytest.raises(UnknownId):
        learn(specs.learn(), ["0" * 64, teachers[1]], svc)
    assert statuses() == before


def test_a_prompt_and_an_input_over_what_the_backbone_declares_are_refused(
    svc, specs, teachers, statuses
):
    before = statuses()
    with pytest.raises(TooLong, match="a prompt of 5 tokens and inputs of up to 508"):
        learn(specs.learn(max_length=508), teachers, svc)
    assert statuses() == before


def test_a_training_that_fails_leaves_a_failed_row(dying, specs, teachers, statuses):
    before = statuses()
    with pytest.raises(MemoryError):
        learn(specs.learn(seed=3), teachers, dying(after=2))
    assert statuses() == [*before, "failed"]
