"""A user's own task in lineage: what makes it another one, and what is kept of it."""

import json
import shutil

import pytest
import yaml
from sqlalchemy import func, select

from pipelines import AdaptSpec, Draw, EvaluateSpec, FewShotSpec, LearnSpec, TeachSpec
from pipelines.adapt import adapt
from pipelines.asking import SameRows
from pipelines.check import SameName, names_once
from pipelines.evaluate import evaluate
from pipelines.few_shot import few_shot
from pipelines.learn import learn
from pipelines.spec import Distil
from pipelines.tables import runs
from pipelines.teach import teach
from tasks import find

STEPS = {"steps": 2, "batch_size": 2, "validations": 1}
VISITS = {
    "name": "visits",
    "files": {"train": "visits.csv"},
    "template": "remark: {remark}",
    "answer": "mood",
    "labels": {"good": "positive", "bad": "negative"},
    "metric": "accuracy",
}


@pytest.fixture
def folder(tmp_path):
    """The folder of a user's task."""
    folder = tmp_path / "mine"
    folder.mkdir()
    rows = "".join(f"visit {at} was so,{('good', 'bad')[at % 2]}\n" for at in range(20))
    (folder / "visits.csv").write_text("remark,mood\n" + rows)
    (folder / "visits.yaml").write_text(yaml.safe_dump(VISITS))
    return folder


def changed(folder, stem, /, **changes):
    """Write a variant beside the task; return its file."""
    file = folder / f"{stem}.yaml"
    file.write_text(yaml.safe_dump(VISITS | changes))
    return str(file)


def test_moving_a_task_repeats_nothing_and_editing_it_is_another(svc, folder, tiny_backbone):
    def run(task):
        spec = TeachSpec(task=str(task), backbone=tiny_backbone, prompt_length=3, **STEPS)
        return svc.lineage.get_run(teach(spec, svc))

    first = run(folder / "visits.yaml")
    moved = shutil.copytree(folder, folder.parent / "elsewhere")
    assert run(moved / "visits.yaml").id == first.id
    (moved / "visits.csv").rename(moved / "other.csv")
    assert run(changed(moved, "place", files={"train": "other.csv"})).id == first.id

    renamed = run(changed(folder, "renamed", name="calls"))
    assert renamed.task == "calls"
    assert {sha for _, sha in renamed.datasets} == {sha for _, sha in first.datasets}
    reworded = run(changed(folder, "reworded", template="note: {remark}"))
    (moved / "other.csv").write_text((moved / "other.csv").read_text().replace("visit", "trip"))
    shutil.copy(moved / "place.yaml", moved / "edited.yaml")
    edited = run(moved / "edited.yaml")
    assert len({one.request_sha for one in (first, renamed, reworded, edited)}) == 4


def test_lineage_keeps_the_whole_definition_and_no_path(svc, folder, tiny_backbone):
    file = str(folder / "visits.yaml")
    spec = TeachSpec(task=file, backbone=tiny_backbone, prompt_length=3, **STEPS)
    run = svc.lineage.get_run(teach(spec, svc))
    assert (run.task, run.spec["task"]) == ("visits", "visits")
    (kept,) = run.spec["definitions"]
    assert kept == json.loads(find(file).definition)
    assert VISITS.items() <= kept.items()
    assert str(folder) not in json.dumps(run.spec)
    assert svc.lineage.best("visits").lineage == run.id
    tree = json.dumps([one.title for one in svc.lineage.ancestry(run.id).children])
    assert "visits (train)" in tree


def test_what_is_recorded_of_a_registered_task_is_what_it_was(svc, write_rows, tiny_backbone):
    spec = TeachSpec(task="mini_review", backbone=tiny_backbone, prompt_length=3, train_rows=8,
                     validation_rows=4, **STEPS)  # fmt: skip
    run = svc.lineage.get_run(teach(spec, svc))
    assert run.spec == spec.model_dump(mode="json")


def test_every_stage_takes_the_file_and_files_its_runs_under_the_name(svc, folder, tiny_backbone):
    file, on = str(folder / "visits.yaml"), {"backbone": tiny_backbone}
    other = changed(folder, "calls", name="calls", template="call: {remark}")
    teachers = [
        svc.lineage.get_run(teach(TeachSpec(task=one, prompt_length=3, **on, **STEPS), svc)).prompt
        for one in (file, other)
    ]
    learned = learn(LearnSpec(tasks=[file, other], prompt_length=3, **on, **STEPS), teachers, svc)
    source = svc.lineage.get_run(learned)
    assert source.spec["tasks"] == ["visits", "calls"]
    assert [one["name"] for one in source.spec["definitions"]] == ["visits", "calls"]
    assert svc.lineage.get_prompt(source.prompt).tasks == ("visits", "calls")
    started = AdaptSpec(task=file, start="calls", draw=Draw(shots=4), **on, **STEPS)
    target = svc.lineage.get_run(adapt(started, source.prompt, svc))
    tested = svc.lineage.get_run(evaluate(EvaluateSpec(task=file, **on), target.prompt, svc))
    assert (target.task, tested.task) == ("visits", "visits")
    assert tested.primary("test").n == 3


def test_a_context_is_made_of_its_rows(svc, folder, tiny_lm):
    spec = FewShotSpec(
        task=str(folder / "visits.yaml"), backbone=tiny_lm, draw=Draw(shots=2), steps=1
    )
    run = svc.lineage.get_run(few_shot(spec, None, svc))
    assert run.task == "visits"
    assert svc.lineage.get_prompt(run.prompt).kind == "context"


def test_two_tasks_with_the_same_rows_are_refused_in_one_mixture(svc, folder, tiny_backbone):
    other = changed(folder, "calls", name="calls")
    spec = LearnSpec(
        tasks=[str(folder / "visits.yaml"), other], backbone=tiny_backbone, prompt_length=3,
        distillation=Distil(weight=0), **STEPS,
    )  # fmt: skip
    with pytest.raises(SameRows, match="'visits' and 'calls' have the same train rows"):
        learn(spec, [], svc)
    with svc.lineage.database.reading() as connection:
        assert connection.scalar(select(func.count()).select_from(runs)) == 0


def test_the_reading_of_a_port_that_equals_ours_has_runs_of_its_own(svc, write_rows, tiny_backbone):
    rows = [{"sentence1": f"a {n}", "sentence2": "b", "label": n % 2} for n in range(12)]
    for split in ("train", "validation"):
        write_rows("rte", split, rows)
    made = [
        svc.lineage.get_run(
            teach(TeachSpec(task=name, backbone=tiny_backbone, prompt_length=3, **STEPS), svc)
        )
        for name in ("rte-numbers", "rte-attempt")
    ]
    assert made[0].datasets == made[1].datasets
    assert [one.task for one in made] == ["rte-numbers", "rte-attempt"]
    assert svc.lineage.best("rte-attempt").lineage == made[1].id


def test_two_tasks_of_one_name_are_refused(svc, folder):
    other = changed(folder, "other", template="note: {remark}")
    with pytest.raises(SameName, match="two of the tasks are called 'visits'"):
        names_once([svc.task(str(folder / "visits.yaml")), svc.task(other)])
