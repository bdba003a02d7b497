"""Group adaptation: one training, a prompt and a run for each target, and what is no source."""

import json

import pytest
import torch
from pydantic import ValidationError

from mpt.peft_format import Adapter, unpack
from pipelines.adapt import NotASource, UnknownStart, adapt
from pipelines.evaluate import evaluate
from pipelines.exam import Exam, answer
from pipelines.group import adapt_group, train_group
from pipelines.ids import UnknownId
from pipelines.importing import digest, take_in
from pipelines.inputs import TooLong
from pipelines.prompts import WrongBackbone
from pipelines.registration import candidates
from pipelines.spec import ImportSpec

TASKS = ["mini_dining", "mini_order"]
STILL = {"steps": 1, "learning_rate": 1e-12, "factor_learning_rate": 1e-12}


@pytest.fixture
def group(svc, specs, source):
    """The run that trained a group, and those of its members."""
    members = adapt_group(specs.group(), source, svc)
    trained = svc.lineage.get_run(train_group(specs.group(), source, svc))
    return trained, [svc.lineage.get_run(one) for one in members]


def test_a_group_is_recorded_with_all_that_its_training_read(svc, group, source):
    run, _ = group
    prompt = svc.lineage.get_prompt(run.prompt)
    assert (run.status, run.stage, run.task) == ("completed", "adapt", "group")
    assert (prompt.kind, prompt.task, prompt.tasks) == ("target", "group", tuple(TASKS))
    assert (prompt.num_tokens, prompt.rank) == (5, 1)
    assert run.reads == (("source", source),)
    read = {
        (split, svc.task(name).info(split, rows).sha)
        for name in TASKS
        for split, rows in (("train", 40), ("validation", 12))
    }
    assert set(run.datasets) == read
    mean, *each = (one for one in run.scores if one.method == "prompt")
    assert (mean.metric, mean.n, mean.is_primary) == ("mean", 24, True)
    assert mean.value == pytest.approx(sum(one.value for one in each) / 2)
    assert mean.value == max(value for _, value in run.curve)


def test_each_member_is_a_prompt_of_its_own_task_and_exactly_the_group_s(svc, group, prompt_of):
    run, members = group
    shared = prompt_of(run.id)
    for k, (task, one) in enumerate(zip(TASKS, members, strict=True)):
        record = svc.lineage.get_prompt(one.prompt)
        assert (one.stage, one.task, one.reads) == ("adapt", task, (("source", run.prompt),))
        assert (record.kind, record.task, record.tasks) == ("target", task, (task,))
        assert prompt_of(one.id).task(0).equal(shared.task(k))
        assert prompt_of(one.id).shared.equal(shared.shared)


def test_a_member_s_scores_are_those_of_its_own_answers(svc, specs, group, prompt_of):
    for run in group[1]:
        given = svc.task(run.task)
        exam = Exam.open(given, "validation", 12)
        backbone = svc.backbone(specs.backbone, "float32")
        asked = given.encode(backbone, exam.examples, None)
        answers = answer(backbone, prompt_of(run.id).task(0).detach(), given.task, asked, 64)
        score = run.primary("validation")
        ours = [one for one in run.scores if one.method == "prompt"]
        assert [one.metric for one in ours] == list(given.task.metrics)
        assert (score.metric, score.n) == (next(iter(given.task.metrics)), 12)
        assert (score.value, score.prompt_sha) == (exam.primary(answers), run.prompt)
        assert json.loads(svc.store.get(score.predictions_sha)) == answers


def test_a_member_is_best_registered_tested_and_descends_like_any_target(svc, specs, group, source):
    member = group[1][1]
    tested = svc.lineage.get_run(evaluate(specs.evaluate("mini_order"), member.prompt, svc))
    assert tested.primary("test").n == 15
    assert svc.lineage.best("mini_order").prompt == member.prompt
    with svc.lineage.database.reading() as connection:
        (candidate,) = candidates(connection, member.prompt)
    assert candidate.model_name.endswith(".mini_order")
    text = repr(svc.lineage.ancestry(member.prompt))
    assert source in text
    assert "target prompt for group" in text


def test_what_is_done_is_found_and_members_that_are_missing_are_made(counting, specs, source):
    svc, steps = counting
    train_group(specs.group(), source, svc)
    assert len(steps) == 4
    first = adapt_group(specs.group(), source, svc)
    assert adapt_group(specs.group(), source, svc) == first
    assert len(steps) == 4


def test_one_task_can_be_in_several_groups(svc, specs, source, made):
    both = adapt_group(specs.group(), source, svc)
    turned = adapt_group(specs.group(tasks=TASKS[::-1]), source, svc)
    assert len({*both, *turned}) == 4
    assert len({made(run) for run in (*both, *turned)}) == 4


@pytest.mark.parametrize(
    "others",
    [
        {"learning_rate": 0.9},
        {"factor_learning_rate": 0.9},
        {"freeze_shared": True},
        {"start": "identity"},
        {"start": "mini_deed"},
        {"batch_size": 5},
        {"train_rows": 41},
        {"max_length": 9},
        {"clip": 0.001},
    ],
)
def test_a_value_of_the_spec_reaches_the_training(svc, specs, source, made, others):
    plain, other = (train_group(specs.group(**one), source, svc) for one in ({}, others))
    assert made(plain) != made(other)


def test_the_sampling_cap_levels_tasks_of_unequal_size(svc, specs, source, write_rows, made):
    write_rows("cb", "train", [{"premise": f"{at}", "hypothesis": "b", "label": 0} for at in "ab"])
    write_rows("cb", "validation", [{"premise": "a", "hypothesis": "b", "label": 0}] * 2)
    capped, free = (
        train_group(specs.group(tasks=["mini_dining", "cb"], sampling_cap=cap), source, svc)
        for cap in (2, 2**18)
    )
    assert made(capped) != made(free)


def test_every_task_begins_where_a_lone_target_would(svc, specs, source, prompt_of):
    for start in ("average", "identity", "mini_deed"):
        lone = prompt_of(adapt(specs.adapt(start=start, **STILL), source, svc))
        group = prompt_of(train_group(specs.group(start=start, **STILL), source, svc))
        for k in range(2):
            torch.testing.assert_close(group.task(k), lone.task(0))


def test_a_task_that_no_batch_holds_stays_where_it_started(svc, specs, source, prompt_of):
    spec = specs.group(tasks=[*TASKS, "mini_pursuit"], steps=1, batch_size=1, start="mini_deed")
    group = prompt_of(train_group(spec, source, svc))
    start = unpack(svc.store.get(source)).u[1]  # of mini_deed
    assert sorted(u.equal(start) for u in group.u) == [False, True, True]


def test_what_a_group_trained_is_no_source(svc, specs, group, statuses):
    run, members = group
    before = statuses()
    with pytest.raises(NotASource, match="is a target prompt for 'group': adapt from a source"):
        adapt(specs.adapt("mini_pursuit"), run.prompt, svc)
    with pytest.raises(NotASource, match="is a target prompt for 'mini_dining': adapt from a"):
        adapt_group(specs.group(), members[0].prompt, svc)
    assert statuses() == before


def test_a_group_s_prompt_that_is_taken_in_again_stays_a_group_s(svc, specs, group):
    prompt = unpack(svc.store.get(group[0].prompt))
    spec = ImportSpec(tasks=TASKS, adapter=digest(prompt), backbone=specs.backbone)
    adapter = Adapter(prompt, specs.backbone, "encoder-decoder")
    assert svc.lineage.get_run(take_in(spec, adapter, svc)).task == "group"
    assert svc.lineage.best("multitask").prompt != group[0].prompt


# What is refused before anything is recorded


@pytest.mark.parametrize(
    ("tasks", "says"),
    [
        ([], "at least 2 items"),
        (["mini_dining"], "at least 2 items"),
        (["mini_dining", "mini_order", "mini_dining"], "names mini_dining twice"),
    ],
)
def test_a_group_is_of_two_different_tasks_or_more(specs, tasks, says):
    with pytest.raises(ValidationError, match=says):
        specs.group(tasks=tasks)


def test_what_does_not_fit_is_refused_before_a_run_begins(svc, specs, taught, statuses):
    before = statuses()
    source = taught["source"]
    for error, spec, given in (
        (WrongBackbone, specs.group(), taught["foreign source"]),
        (UnknownStart, specs.group(start="mini_trade"), source),
        (TooLong, specs.group(max_length=508), source),
        (LookupError, specs.group(tasks=["mini_dining", "nothing"]), source),
        (UnknownId, specs.group(), "0" * 64),
        (NotASource, specs.group(), taught["teachers"][0]),
    ):
        with pytest.raises(error):
            adapt_group(spec, given, svc)
    assert statuses() == before


def test_a_training_that_fails_leaves_a_failed_row_and_no_member(dying, specs, source, statuses):
    before = statuses()
    with pytest.raises(MemoryError):
        adapt_group(specs.group(), source, dying(after=2))
    assert statuses() == [*before, "failed"]
