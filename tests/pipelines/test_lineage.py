import threading
import time
from datetime import UTC, datetime
from functools import partial

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from pipelines.contents import artifacts, templates
from pipelines.edges import edges
from pipelines.ids import UnknownId
from pipelines.lineage import Lineage, NothingMade, Overtaken
from pipelines.locks import Busy
from pipelines.recording import BadInterval, BadScore, ScoreInfo
from pipelines.records import MULTITASK, TemplateInfo, combined
from pipelines.tables import datasets, prompts, runs, scores

# Another process with the same request: it says when it has begun, and then works for a while.
WORKER = """
import sys, time
from hashlib import sha256
from pathlib import Path
from pipelines.lineage import Lineage
from pipelines.locks import Busy
from pipelines.recording import MadePrompt
from pipelines.records import Environment, Request, BackboneInfo

url, locks, request_sha, seconds = sys.argv[1:]
lineage = Lineage.open(url, Path(locks))
backbone = BackboneInfo("b" * 64, "nano", 8, 2, 2, 10)
request = Request("teach", request_sha, {}, 0, "rte", Environment("cpu", 1), backbone)
print("open", flush=True)
try:
    with lineage.record(request) as run:
        print("begun", flush=True)
        time.sleep(float(seconds))
        run.prompt = MadePrompt("a" * 64, "teacher", 5, 8, 160)
    print("done", flush=True)
except Busy:
    print("busy", flush=True)
"""


def rows(lineage, *columns):
    with lineage.database.reading() as connection:
        return [tuple(row) for row in connection.execute(select(*columns).order_by(columns[0]))]


def test_a_completed_run_is_found_with_all_that_it_made(lineage, world):
    teacher = world.train(lineage, "rte", "teacher", 60.0, stage="teach")
    request = world.request("learn", MULTITASK, reads={"teacher": [world.sha("teacher")]})
    assert lineage.find(request.sha) is None

    with lineage.record(request) as run:
        run.prompt = world.prompt("source", "source", tasks=("rte", "cb"))
        run.scores.append(world.score("rte", 75.0, predictions_sha=world.sha("answers")))
        run.curve, run.losses_sha = [(10, 70.0), (20, 75.0)], world.sha("losses")
        run.truncated, run.warnings = 3, ["3 inputs were cut"]

    found = lineage.find(request.sha)
    assert (found.id, found.status, found.attempt) == (run.id, "completed", 1)
    assert found.prompt == world.sha("source")
    assert found.spec == request.spec
    assert found.environment == request.environment
    assert found.curve == ((10, 70.0), (20, 75.0))
    assert (found.truncated, found.warnings) == (3, ("3 inputs were cut",))
    assert found.losses_sha == world.sha("losses")
    assert found.reads == (("teacher", world.sha("teacher")),)
    assert {role for role, _ in found.datasets} == {"train", "validation"}
    score = found.primary("validation")
    assert (score.value, score.n, score.prompt_sha) == (75.0, 40, world.sha("source"))
    assert score.predictions_sha == world.sha("answers")
    assert found.primary("test") is None
    assert lineage.get_run(run.id) == found
    assert teacher.id != run.id
    prompt = lineage.get_prompt(world.sha("source"))
    assert (prompt.kind, prompt.tasks, prompt.rank) == ("source", ("rte", "cb"), 1)
    assert prompt.backbone == world.backbone


def test_edges_tell_what_came_of_which_prompt(lineage, world):
    teachers = [world.sha("t-rte"), world.sha("t-cb")]
    for task in ("rte", "cb"):
        world.train(lineage, task, f"t-{task}", 60.0, stage="teach")
    sha, train = world.sha, partial(world.train, lineage)
    learn = train(MULTITASK, "s", 62.0, stage="learn", reads={"teacher": teachers})
    adapt = train("wic", "p", 63.0, reads={"source": [sha("s")]})
    few = train("wic", "c", 64.0, stage="few_shot", reads={"front": [sha("p")]})
    test = world.evaluate(lineage, "wic", sha("c"), 65.0, predictions_sha=sha("a"))
    with lineage.record(world.request("export", "wic", reads={"exported": [sha("p")]})) as export:
        export.adapter_sha = sha("folder")

    rows = all_of(lineage, edges)
    found = {(one.role, one.child_sha, one.parent_sha, one.run_id) for one in rows}
    assert found == {
        *(("distilled_from", world.sha("s"), one, learn.id) for one in teachers),
        ("adapted_from", world.sha("p"), world.sha("s"), adapt.id),
        ("context_of", world.sha("c"), world.sha("p"), few.id),
        ("evaluated_by", world.sha("a"), world.sha("c"), test.id),
        ("exported_as", world.sha("folder"), world.sha("p"), export.id),
    }
    kinds = {one.sha: one.kind for one in all_of(lineage, artifacts)}
    assert kinds[world.sha("a")] == "predictions"
    assert kinds[world.sha("folder")] == "adapter"
    assert kinds[world.sha("c")] == "prompt"


def all_of(lineage, table):
    with lineage.database.reading() as connection:
        return connection.execute(select(table)).all()


def test_what_rendered_the_rows_is_kept_once_for_each_dataset(lineage, world):
    drawn = world.drawn("rte")
    for name in ("one", "two"):
        with lineage.record(world.request("adapt", "rte", name, datasets=drawn)) as run:
            run.prompt = world.prompt(name)
    whole = drawn["train"][0].draw.of
    ((sha, task, definition, _),) = all_of(lineage, templates)
    assert (sha, task, definition) == (whole.template.sha, "rte", {"name": "rte"})
    assert {one.sha: one.template_sha for one in all_of(lineage, datasets)} == {
        whole.sha: sha, drawn["train"][0].sha: None,
    }  # fmt: skip


def test_the_order_of_a_template_s_keys_does_not_count():
    one, other = ({"a": 1, "b": [1, 2]}, {"b": [1, 2], "a": 1})
    assert TemplateInfo("t", one).sha == TemplateInfo("t", other).sha
    assert TemplateInfo("t", one).sha != TemplateInfo("t", {"a": 1, "b": [2, 1]}).sha


def test_a_run_keeps_its_effort_and_a_score_its_interval(lineage, world):
    request = world.request("adapt", "rte")
    with lineage.record(request) as run:
        run.prompt, run.steps = world.prompt("p"), 3
        run.resumed_sha, run.losses_sha = world.sha("checkpoint"), world.sha("losses")
        run.scores.append(world.score("rte", 50.0, interval=(40.5, 60.5)))
        run.scores.append(world.score("cb", 50.0, is_primary=False))
    found = lineage.find(request.sha)
    assert (found.max_steps, found.batch_size, found.steps) == (3, None, 3)
    assert found.resumed_sha == world.sha("checkpoint")
    assert 0 < found.seconds < 60
    assert [one.interval for one in found.scores] == [(40.5, 60.5), None]
    kinds = {one.sha: one.kind for one in all_of(lineage, artifacts)}
    assert kinds[world.sha("checkpoint")] == "checkpoint"
    assert kinds[world.sha("losses")] == "losses"


@pytest.mark.parametrize("interval", [(2, 1), (-101, 1), (1, 101), (1, float("nan"))])
def test_what_is_no_interval_is_refused(world, interval):
    with pytest.raises(BadInterval, match="no interval of accuracy"):
        world.score("rte", 1.0, interval=interval)


def test_times_come_back_in_utc_with_their_zone(lineage, world):
    before = datetime.now(UTC)
    run = world.train(lineage, "rte", "p", 50.0)

    found = lineage.get_run(run.id)
    assert before <= found.started_at <= found.ended_at <= datetime.now(UTC)
    assert found.started_at.tzinfo is UTC


def test_a_failed_run_is_kept_with_one_line_and_without_results(lineage, world):
    request = world.request("adapt", "rte")
    with pytest.raises(ZeroDivisionError):
        world.fail(lineage, request, ZeroDivisionError("two\n  lines"))

    ((run_id,),) = rows(lineage, runs.c.id)
    found = lineage.get_run(run_id)
    assert (found.status, found.error) == ("failed", "ZeroDivisionError: two lines")
    assert (found.prompt, found.scores) == (None, ())
    assert found.ended_at is not None
    assert lineage.find(request.sha) is None
    assert rows(lineage, prompts.c.sha) == []


def test_an_interrupted_run_is_failed_and_the_next_attempt_counts_on(lineage, world):
    request = world.request("adapt", "rte")
    with pytest.raises(KeyboardInterrupt), lineage.record(request):
        raise KeyboardInterrupt
    with lineage.record(request) as run:
        run.prompt = world.prompt("p")

    assert run.attempt == 2
    assert rows(lineage, runs.c.attempt, runs.c.status) == [(1, "failed"), (2, "completed")]


def test_a_completion_that_the_database_refuses_leaves_nothing_half_recorded(lineage, world):
    request = world.request("adapt", "rte")

    def two_primary_scores():
        with lineage.record(request) as run:
            run.prompt = world.prompt("p")
            run.scores = [world.score("rte", 50.0), world.score("rte", 51.0, version="2")]

    with pytest.raises(IntegrityError):
        two_primary_scores()
    assert rows(lineage, runs.c.status) == [("failed",)]
    assert rows(lineage, prompts.c.sha) == rows(lineage, scores.c.id) == []


def test_a_training_run_without_a_prompt_is_not_done(lineage, world):
    request = world.request("adapt", "rte")
    with pytest.raises(NothingMade, match="made no prompt"), lineage.record(request):
        pass
    assert lineage.find(request.sha) is None


def test_a_second_holder_of_the_same_request_is_told_to_wait(lineage, world):
    request = world.request("adapt", "rte")
    with lineage.record(request) as run:
        with pytest.raises(Busy, match="wait for it"), lineage.record(request):
            pass
        run.prompt = world.prompt("p")
    with pytest.raises(Busy, match="just completed"), lineage.record(request):
        pass
    assert rows(lineage, runs.c.attempt, runs.c.status) == [(1, "completed")]


def test_a_killed_run_is_abandoned_by_the_next_attempt(lineage, url, locks, world, python):
    request = world.request("teach", "rte")
    worker = python(WORKER, url, locks, request.sha, 60)
    assert [worker.stdout.readline().strip() for _ in range(2)] == ["open", "begun"]
    with pytest.raises(Busy), lineage.record(request):
        pass

    worker.kill()  # SIGKILL: it cannot say goodbye
    worker.wait()
    assert rows(lineage, runs.c.attempt, runs.c.status) == [(1, "running")]
    with lineage.record(request) as run:
        run.prompt = world.prompt("p")

    assert rows(lineage, runs.c.attempt, runs.c.status) == [(1, "abandoned"), (2, "completed")]
    assert lineage.find(request.sha).id == run.id


def test_of_four_processes_with_one_request_one_does_it(lineage, url, locks, world, python):
    request = world.request("teach", "rte")
    workers = [python(WORKER, url, locks, request.sha, 1) for _ in range(4)]
    said = [worker.communicate(timeout=60)[0].split()[-1] for worker in workers]

    assert sorted(said) == ["busy", "busy", "busy", "done"]
    assert rows(lineage, runs.c.attempt, runs.c.status) == [(1, "completed")]


def test_two_programs_with_different_lock_folders_do_not_both_record(sqlite_url, tmp_path, world):
    ours, theirs = (Lineage.open(sqlite_url, tmp_path / name) for name in ("ours", "theirs"))
    request = world.request("adapt", "rte")

    def both():
        with ours.record(request) as run, theirs.record(request) as other:
            run.prompt, other.prompt = world.prompt("ours"), world.prompt("theirs")

    with pytest.raises(Overtaken, match="another lock folder"):
        both()
    assert ours.find(request.sha).prompt == world.sha("theirs")
    assert rows(ours, prompts.c.sha) == [(world.sha("theirs"),)]


def test_two_machines_on_one_postgresql_know_of_each_other(postgres_url, tmp_path, world):
    ours, theirs = (Lineage.open(postgres_url, tmp_path / name) for name in ("ours", "theirs"))
    request = world.request("adapt", "rte")
    with ours.record(request) as run:
        run.prompt = world.prompt("ours")
        with pytest.raises(Busy), theirs.record(request):
            pass
    assert theirs.find(request.sha).prompt == world.sha("ours")


def test_two_runs_may_make_the_same_bytes(lineage, world):
    first = world.train(lineage, "rte", "same", 50.0)
    with lineage.record(world.request("adapt", "rte", "another seed")) as second:
        second.prompt = world.prompt("same")

    assert lineage.get_run(first.id).prompt == lineage.get_run(second.id).prompt
    assert rows(lineage, prompts.c.sha) == [(world.sha("same"),)]


def test_what_a_run_reads_must_exist(lineage, world):
    request = world.request("adapt", "rte", reads={"source": [world.sha("never made")]})
    with pytest.raises(UnknownId, match="no prompt has the id"), lineage.record(request):
        pass
    assert rows(lineage, runs.c.id) == []


def test_a_baseline_is_scored_without_a_prompt(lineage, world):
    request = world.request("evaluate", "rte", "majority", backbone=None)
    with lineage.record(request) as run:
        run.scores.append(world.score("rte", 50.0, split="test", method="majority"))

    score = lineage.get_run(run.id).primary("test")
    assert (score.method, score.prompt_sha, score.split) == ("majority", None, "test")


def test_an_evaluation_scores_the_prompt_that_it_read(lineage, world):
    world.train(lineage, "rte", "p", 50.0)
    run = world.evaluate(lineage, "rte", world.sha("p"), 48.0)

    assert lineage.get_run(run.id).primary("test").prompt_sha == world.sha("p")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 100.5, -101])
def test_a_value_that_is_no_score_is_refused(world, value):
    with pytest.raises(BadScore, match="is no score"):
        world.score("rte", value)


def test_a_score_of_nothing_or_of_training_rows_is_refused(world):
    with pytest.raises(BadScore):
        world.score("rte", 50.0, split="train")
    with pytest.raises(BadScore, match="on 0 validation examples"):
        ScoreInfo(world.dataset("rte", "validation"), "f1", 1.0, n=0)


@pytest.mark.parametrize("change", [
    {"value": float("nan")}, {"value": float("inf")}, {"n": 0}, {"prompt_sha": None},
    {"split": "train"}, {"low": None}, {"low": 2.0, "high": 1.0}, {"low": 0.0, "high": 100.5},
    {"low": float("nan"), "high": 1.0}, {"predictions_sha": "c" * 64}, {"references_sha": "c" * 64},
    {"task": None},
])  # fmt: skip
def test_the_database_itself_refuses_a_bad_score(lineage, world, change):
    world.train(lineage, "rte", "p", 50.0)
    good = {"method": "prompt", "split": "test", "n": 1, "value": 1.0, "prompt_sha": world.sha("p"),
            "metric": "f1", "is_primary": False, "low": 0.0, "high": 2.0, "task": "rte",
            "dataset_sha": world.dataset("rte", "validation").sha}  # fmt: skip
    with lineage.record(world.request("adapt", "rte", "under way")) as run:
        good["run_id"] = run.id
        with lineage.database.writing() as connection:
            connection.execute(insert(scores).values(good | {"metric": "accepted"}))
        with pytest.raises(IntegrityError), lineage.database.writing() as connection:
            connection.execute(insert(scores).values(good | change))
        run.prompt = world.prompt("q")


def test_the_mean_over_tasks_belongs_to_their_datasets_in_any_order(world):
    rte, cb = world.dataset("rte", "validation"), world.dataset("cb", "validation")

    assert combined([rte, cb]) == combined([cb, rte])
    assert combined([rte, cb]).sha != combined([rte]).sha
    assert combined([rte, cb]).num_rows == 80


def test_the_first_digits_of_an_id_are_enough(lineage, world):
    run = world.train(lineage, "rte", "abcdef01" + "0" * 56, 50.0)
    world.train(lineage, "cb", "abcdef02" + "0" * 56, 50.0)

    assert lineage.get_run(run.id[:10]).id == run.id
    assert lineage.get_prompt("abcdef01").task == "rte"
    with pytest.raises(UnknownId, match="several ids of a prompt begin with 'abcdef'"):
        lineage.get_prompt("abcdef")


@pytest.mark.parametrize("given", ["abcde", "%%%%%%", "______", "xyz123", "", "A" * 64])
def test_what_is_no_id_is_refused_with_what_to_give(lineage, world, given):
    world.train(lineage, "rte", "abcdef01" + "0" * 56, 50.0)
    with pytest.raises(UnknownId, match="give 6 to 64 hex digits"):
        lineage.get_prompt(given)


def test_a_reader_does_not_wait_for_a_writer(lineage, world):
    run = world.train(lineage, "rte", "p", 50.0)
    writing, finish = threading.Event(), threading.Event()

    def write():
        with lineage.database.writing() as connection:
            connection.execute(insert(artifacts).values(sha="c" * 64, kind="prompt"))
            writing.set()
            finish.wait(20)

    thread = threading.Thread(target=write)
    thread.start()
    writing.wait(20)
    began = time.monotonic()
    assert lineage.get_run(run.id).status == "completed"
    waited = time.monotonic() - began
    finish.set()
    thread.join()
    assert waited < 5


def test_asking_a_database_that_is_current_loads_nothing_heavy(url, locks, lineage, world, python):
    run = world.train(lineage, "rte", "p", 50.0)
    ask = """
import sys
from pathlib import Path
from pipelines.lineage import Lineage
lineage = Lineage.open(sys.argv[1], Path(sys.argv[2]))
lineage.best("rte"), lineage.ancestry(sys.argv[3])
print(*sorted(set(sys.argv[4:]) & set(sys.modules)))
"""
    heavy = ["torch", "mlflow", "alembic", "matplotlib", "prefect", "numpy", "sqlalchemy.orm"]
    dialects = [f"sqlalchemy.dialects.{name}" for name in ("sqlite", "postgresql")]
    loaded = python(ask, url, locks, run.id, *heavy, *dialects).communicate()[0]
    assert loaded.split() == [f"sqlalchemy.dialects.{lineage.database.engine.dialect.name}"]
