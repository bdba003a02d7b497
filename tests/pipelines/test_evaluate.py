"""Test scores: of a prompt, of no prompt, of the commonest answer, of labels and of free text."""

import json
from dataclasses import replace

import pytest

from mpt.evaluate import decode, rank
from pipelines.adapt import adapt
from pipelines.evaluate import NoPrompt, evaluate
from pipelines.ids import UnknownId
from pipelines.inputs import OnlyTestRows, TooLong
from pipelines.learn import learn
from pipelines.prompts import WrongBackbone, WrongTask, vector
from pipelines.teach import teach


@pytest.fixture
def adapted(svc, specs, source, made):
    return made(adapt(specs.adapt(), source, svc))


@pytest.fixture
def answers_of(svc):
    def read(run_id):
        (sha,) = {score.predictions_sha for score in svc.lineage.get_run(run_id).scores}
        return json.loads(svc.store.get(sha))

    return read


def encoded(svc, specs, task, rows):
    backbone, given = svc.backbone(specs.backbone, "float32"), svc.task(task)
    return backbone, given.encode(backbone, given.examples("test", rows), None)


def accuracy(answers, examples):
    right = [guess in one.answers for guess, one in zip(answers, examples, strict=True)]
    return pytest.approx(100 * sum(right) / len(right))


def test_a_prompt_s_score_is_that_of_the_answers_which_it_gives(
    svc, specs, adapted, source, answers_of, prompt_of
):
    run_id = evaluate(specs.evaluate(), adapted, svc)
    backbone, rows = encoded(svc, specs, "mini_dining", 15)
    prompt = prompt_of(adapt(specs.adapt(), source, svc)).task(0).detach()
    answers = rank(backbone, prompt, rows, ["negative", "positive"], batch_size=3)
    assert answers_of(run_id) == answers
    (score,) = svc.lineage.get_run(run_id).scores
    assert score.value == accuracy(answers, svc.task("mini_dining").examples("test", 15))
    assert (score.split, score.n, score.method, score.prompt_sha) == ("test", 15, "prompt", adapted)


def test_an_evaluation_is_recorded_with_the_prompt_and_the_rows_that_it_read(svc, specs, adapted):
    run = svc.lineage.get_run(evaluate(specs.evaluate(), adapted, svc))
    assert (run.stage, run.status, run.prompt) == ("evaluate", "completed", None)
    assert run.reads == (("evaluated", adapted),)
    assert run.datasets == (("test", svc.task("mini_dining").info("test", 15).sha),)


def test_a_source_prompt_answers_each_of_its_tasks_with_that_task_s_vector(
    svc, specs, source, teachers, answers_of, prompt_of
):
    prompt = prompt_of(learn(specs.learn(), teachers, svc))
    assert not prompt.task(0).equal(prompt.task(1))
    for k, name in enumerate(("mini_review", "mini_deed")):
        assert vector(svc.lineage.get_prompt(source), name, svc).equal(prompt.task(k))
        run_id = evaluate(specs.evaluate(name), source, svc)
        backbone, rows = encoded(svc, specs, name, 15)
        labels = svc.task(name).task.labels
        assert answers_of(run_id) == rank(backbone, prompt.task(k).detach(), rows, labels, 64)


def test_a_diagnostic_set_is_answered_by_the_vector_of_the_task_that_it_tests(
    svc, specs, write_rows, source, answers_of, prompt_of, teachers
):
    rows = [{"sentence1": f"a {n}", "sentence2": "b", "label": n % 2} for n in range(6)]
    write_rows("ax_b", "test", rows)
    given = svc.task("ax_b")
    stand_in = replace(given, task=replace(given.task, trained_on=("rte", "mini_deed")))
    run_id = evaluate(specs.evaluate("ax_b"), source, replace(svc, task=lambda name: stand_in))
    backbone, encoded_rows = encoded(svc, specs, "ax_b", None)
    prompt = prompt_of(learn(specs.learn(), teachers, svc)).task(1).detach()
    assert answers_of(run_id) == rank(backbone, prompt, encoded_rows, given.task.labels, 64)
    assert svc.lineage.get_run(run_id).primary("test").metric == "mcc"
    with pytest.raises(WrongTask, match="no task vector for 'ax_b', only for mini_review"):
        evaluate(specs.evaluate("ax_b", test_rows=3), source, svc)


def test_a_diagnostic_set_is_never_trained_on(svc, specs, write_rows, source):
    write_rows("ax_b", "test", [{"sentence1": "a", "sentence2": "b", "label": 0}])
    with pytest.raises(
        OnlyTestRows, match="'ax_b' has test rows only: train a prompt on superglue_rte or"
    ):
        adapt(specs.adapt(task="ax_b"), source, svc)


def test_zero_shot_reads_no_prompt(svc, specs, answers_of):
    run_id = evaluate(specs.evaluate(method="zero_shot"), None, svc)
    backbone, rows = encoded(svc, specs, "mini_dining", 15)
    assert answers_of(run_id) == rank(backbone, None, rows, ["negative", "positive"], 64)
    (score,) = svc.lineage.get_run(run_id).scores
    assert (score.method, score.prompt_sha, score.n) == ("zero_shot", None, 15)


def test_the_majority_is_the_commonest_training_answer_and_needs_no_backbone(
    svc, specs, write_rows, answers_of
):
    def refuse(name, precision):
        raise AssertionError("a backbone was opened")

    row = {"sentence1": "a", "sentence2": "b"}
    write_rows("mrpc", "train", [row | {"label": label} for label in (0, 1, 1)])
    write_rows("mrpc", "validation", [row | {"label": label} for label in (0, 0, 0, 1)])
    spec = specs.evaluate("mrpc", method="majority", test_rows=None)
    run_id = evaluate(spec, None, replace(svc, backbone=refuse))
    run = svc.lineage.get_run(run_id)
    assert answers_of(run_id) == ["equivalent"] * 2
    assert {role for role, _ in run.datasets} == {"train", "test"}
    assert (run.backbone_sha, run.primary("test").method) == (None, "majority")
    examples = svc.task("mrpc").examples("test")
    assert run.primary("test").value == accuracy(["equivalent"] * 2, examples)


def test_the_majority_of_other_training_rows_is_another_run(svc, specs, write_rows, monkeypatch):
    spec = specs.evaluate("mini_review", method="majority")
    first = evaluate(spec, None, svc)
    given = svc.task("mini_review")
    fewer = replace(given, data=given.data._replace(train=given.data.train[:9]))
    assert evaluate(spec, None, replace(svc, task=lambda name: fewer)) != first


def test_every_metric_of_a_task_is_recorded_and_the_first_is_the_one_that_counts(
    svc, specs, write_rows
):
    row = {"sentence1": "a", "sentence2": "b"}
    write_rows("mrpc", "train", [row | {"label": 1}])
    write_rows("mrpc", "validation", [row | {"label": at % 2} for at in range(8)])
    run = svc.lineage.get_run(evaluate(specs.evaluate("mrpc", method="zero_shot"), None, svc))
    assert {score.metric: score.is_primary for score in run.scores} == {
        "accuracy": True,
        "f1": False,
    }
    assert run.primary("test").n == 4


def test_the_same_evaluation_is_done_once(svc, specs, adapted, statuses):
    first = evaluate(specs.evaluate(), adapted, svc)
    before = statuses()
    assert evaluate(specs.evaluate(), adapted, svc) == first
    assert statuses() == before


def test_two_prompts_and_no_prompt_are_three_evaluations(svc, specs, teachers):
    zero_shot = evaluate(specs.evaluate("mini_review", method="zero_shot"), None, svc)
    vanilla = evaluate(specs.evaluate("mini_review"), teachers[0], svc)
    other = svc.lineage.get_run(teach(specs.teach(seed=1), svc)).prompt
    assert len({zero_shot, vanilla, evaluate(specs.evaluate("mini_review"), other, svc)}) == 3


def test_texts_that_are_cut_are_counted(svc, specs, teachers):
    run_id = evaluate(specs.evaluate("mini_review", max_length=3), teachers[0], svc)
    assert svc.lineage.get_run(run_id).truncated == 15


# Free text


def test_a_regression_is_trained_and_scored_as_the_text_that_is_written(
    svc, specs, write_rows, made, answers_of, prompt_of
):
    row = {"sentence1": "a dog", "sentence2": "a cat"}
    for split in ("train", "validation"):
        write_rows("stsb", split, [row | {"label": at / 2} for at in range(10)])
    taught = teach(specs.teach("stsb", steps=2), svc)
    run_id = evaluate(specs.evaluate("stsb"), made(taught), svc)
    backbone, rows = encoded(svc, specs, "stsb", None)
    prompt = prompt_of(taught).task(0).detach()
    assert answers_of(run_id) == decode(backbone, prompt, rows, 16, batch_size=2)
    scores = svc.lineage.get_run(run_id).scores
    assert [(one.metric, one.n) for one in scores] == [("pearson", 5), ("spearman", 5)]


def test_a_backbone_that_always_writes_the_answer_scores_full_marks(svc, specs, write_rows):
    row = {"question": "who ?", "context": "the dog", "answers": {"text": ["the dog"]}}
    write_rows("squad", "train", [row | {"question": f"who {at} ?"} for at in range(1010)])
    write_rows("squad", "validation", [row, row | {"answers": {"text": ["a cat", "dog"]}}])
    backbone = svc.backbone(specs.backbone, "float32")

    class Writer:
        def __getattr__(self, name):
            return getattr(backbone, name)

        def write(self, reading, max_answer):
            return ["dog"] * len(reading.mask)

    parrot = replace(svc, backbone=lambda name, precision: Writer())
    spec = specs.evaluate("squad", method="zero_shot", max_length=64)
    run = svc.lineage.get_run(evaluate(spec, None, parrot))
    assert {one.metric: one.value for one in run.scores} == {"f1": 100.0, "exact_match": 100.0}


# What is refused, before a row exists


@pytest.mark.parametrize("method", ["zero_shot", "majority"])
def test_a_prompt_where_none_is_used_is_refused(svc, specs, teachers, statuses, method):
    before = statuses()
    with pytest.raises(NoPrompt, match=f"the method '{method}' uses none, and prompt"):
        evaluate(specs.evaluate("mini_review", method=method), teachers[0], svc)
    assert statuses() == before


def test_no_prompt_where_one_is_used_is_refused(svc, specs, statuses):
    with pytest.raises(NoPrompt, match="'prompt' needs one, and no prompt was given"):
        evaluate(specs.evaluate(), None, svc)
    assert statuses() == []


def test_a_prompt_for_other_tasks_is_refused(svc, specs, teachers, source, statuses):
    before = statuses()
    for prompt, knows in ((teachers[0], "mini_review"), (source, "mini_review, mini_deed")):
        with pytest.raises(WrongTask, match=f"'mini_dining', only for {knows}: adapt it"):
            evaluate(specs.evaluate(), prompt, svc)
    assert statuses() == before


def test_a_prompt_of_another_backbone_is_refused(svc, specs, taught, statuses):
    before = statuses()
    with pytest.raises(WrongBackbone):
        evaluate(specs.evaluate("mini_review"), taught["foreign teacher"], svc)
    assert statuses() == before


def test_an_unknown_prompt_and_an_unknown_task_are_refused(svc, specs, statuses):
    with pytest.raises(UnknownId):
        evaluate(specs.evaluate(), "0" * 64, svc)
    with pytest.raises(LookupError, match="no task is named 'mini_dinning'"):
        evaluate(specs.evaluate("mini_dinning", method="majority"), None, svc)
    assert statuses() == []


def test_a_prompt_and_an_input_over_what_the_backbone_declares_are_refused(
    svc, specs, teachers, statuses
):
    before = statuses()
    with pytest.raises(TooLong):
        evaluate(specs.evaluate("mini_review", max_length=508), teachers[0], svc)
    with pytest.raises(TooLong):
        evaluate(specs.evaluate("mini_review", method="zero_shot", max_length=513), None, svc)
    assert statuses() == before
