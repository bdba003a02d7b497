"""What is suggested to start from, for a task that no prompt was made for."""

import pytest
import torch

from pipelines.adapt import adapt
from pipelines.best import Wanted
from pipelines.suggest import suggest


def test_the_source_prompt_with_the_nearest_task_comes_first(svc, source, taught):
    found = suggest("mini_dining", svc)
    assert found.task == "mini_dining"
    assert {one.prompt for one in found.sources} == {source, taught["foreign source"]}
    first = found.sources[0]
    assert first.tasks == ("mini_review", "mini_deed")
    assert [near.source_task for near in first.evidence] == ["mini_review", "mini_deed"]
    assert first.affinity == first.evidence[0].similarity > first.evidence[1].similarity
    assert first.evidence[0].target is None
    assert found.skipped == ()


def test_only_source_prompts_of_the_wanted_backbone_are_suggested(svc, source):
    sha = svc.lineage.get_prompt(source).backbone.sha
    found = suggest("mini_dining", svc, Wanted(backbone=sha))
    assert [one.prompt for one in found.sources] == [source]
    assert suggest("mini_dining", svc, Wanted(backbone="t5-base")).sources == ()


def test_a_known_target_between_two_tasks_is_evidence_by_its_rows_and_its_vector(
    svc, specs, source, prompt_of
):
    spec = specs.adapt("mini_dining", learning_rate=3.0, factor_learning_rate=3.0)
    run = svc.lineage.get_run(adapt(spec, source, svc))
    mine = svc.lineage.get_prompt(source)
    found = suggest("mini_question", svc, Wanted(backbone=mine.backbone.sha))

    near = next(one for one in found.sources[0].evidence if one.target == "mini_dining")
    shared = [prompt_of_source(svc, source, k) for k in range(2)]
    middle = (shared[0] + shared[1]) / 2
    cosines = [
        float(torch.cosine_similarity(
            (one - middle).flatten(), (prompt_of(run.id).task(0).detach() - middle).flatten(), dim=0
        ))
        for one in shared
    ]  # fmt: skip
    assert near.vectors == pytest.approx(max(cosines), abs=1e-5)
    assert near.source_task == mine.tasks[cosines.index(max(cosines))]
    assert near.similarity == pytest.approx(near.rows * near.vectors)
    assert near.score == run.primary("validation").value
    assert near.scratch is None


def prompt_of_source(svc, source, k):
    from mpt.peft_format import unpack

    return unpack(svc.store.get(source)).task(k).detach()


def test_nothing_is_suggested_where_there_is_no_source_prompt(svc):
    assert suggest("mini_dining", svc).sources == ()
