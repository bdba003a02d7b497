import re
from dataclasses import asdict, replace

import pytest

from pipelines import registration
from pipelines.best import Wanted, best_of_all, ranking
from pipelines.frame import best_prompts
from pipelines.reader import Reader
from pipelines.records import MULTITASK


def test_the_best_is_best_on_validation_whatever_the_test_says(lineage, world):
    run = world.train(lineage, "rte", "good", 80.0)
    world.train(lineage, "rte", "lucky", 70.0)
    world.evaluate(lineage, "rte", world.sha("good"), 60.0)
    world.evaluate(lineage, "rte", world.sha("lucky"), 90.0)

    best = lineage.best("rte")
    assert (best.prompt, best.lineage) == (world.sha("good"), run.id)
    assert (best.metric, best.score, best.n) == ("accuracy", 80.0, 40)
    assert (best.test_score, best.test_n) == (60.0, 40)
    assert (best.task, best.kind, best.backbone_sha) == ("rte", "target", world.backbone.sha)
    assert best.model == f"softprompt.nano-t5-{world.backbone.sha[:8]}.rte"
    assert (best.version, best.alias) == (None, None)


def test_of_equal_scores_the_smaller_digest_wins(lineage, world):
    names = ["one", "two", "three", "four"]
    for name in names:
        world.train(lineage, "rte", name, 80.0)

    assert lineage.best("rte").prompt == min(world.sha(name) for name in names)


def test_nothing_is_best_where_nothing_was_made(lineage, world):
    with pytest.raises(RuntimeError):
        world.fail(lineage, world.request("adapt", "rte"), RuntimeError())
    assert lineage.best("rte") is None
    assert lineage.best("' OR 1=1 --") is None


def test_a_backbone_has_a_best_of_its_own(lineage, world):
    world.train(lineage, "rte", "nano", 80.0)
    world.train(lineage, "rte", "big", 85.0, backbone=world.other_backbone)

    assert lineage.best("rte").prompt == world.sha("big")
    assert lineage.best("rte", Wanted(backbone=world.backbone.sha)).prompt == world.sha("nano")
    assert lineage.best("rte", Wanted(backbone="f" * 64)) is None


def test_a_score_that_is_not_primary_does_not_count(lineage, world):
    world.train(lineage, "rte", "p", 50.0)
    with lineage.record(world.request("adapt", "rte", "q")) as run:
        run.prompt = world.prompt("q")
        run.scores.append(world.score("rte", 99.0, is_primary=False))

    assert lineage.best("rte").prompt == world.sha("p")


def test_equal_bytes_made_for_two_tasks_are_best_for_both(lineage, world):
    for task, value in [("rte", 60.0), ("cb", 70.0)]:
        with lineage.record(world.request("adapt", task)) as run:
            run.prompt = world.prompt("same")
            run.scores.append(world.score(task, value))

    assert lineage.best("rte").score == 60.0
    assert lineage.best("cb").prompt == world.sha("same")
    with lineage.database.reading() as connection:
        names = {one.model_name for one in registration.candidates(connection, world.sha("same"))}
    digits = world.backbone.sha[:8]
    assert names == {f"softprompt.nano-t5-{digits}.rte", f"softprompt.nano-t5-{digits}.cb"}


def test_the_newest_evaluation_is_the_one_that_counts(lineage, world):
    world.train(lineage, "rte", "p", 80.0)
    world.evaluate(lineage, "rte", world.sha("p"), 60.0)
    world.evaluate(lineage, "rte", world.sha("p"), 61.0, name="again")

    assert lineage.best("rte").test_score == 61.0


def test_the_names_of_a_backbone_or_the_first_digits_of_its_digest_choose_it(lineage, world):
    world.train(lineage, "rte", "nano", 80.0)
    world.train(lineage, "rte", "big", 85.0, backbone=world.other_backbone)

    for name in ("nano-t5", world.backbone.sha[:6]):
        assert lineage.best("rte", Wanted(backbone=name)).prompt == world.sha("nano")
    for name in (world.backbone.sha[:5], "nano", "%", "' OR 1=1 --", ""):
        assert lineage.best("rte", Wanted(backbone=name)) is None


def test_a_metric_can_be_chosen_and_scores_of_single_tasks_are_not_those_of_a_mean(lineage, world):
    for name, accuracy, f1 in [("a", 80.0, 50.0), ("b", 70.0, 60.0)]:
        with lineage.record(world.request("adapt", "rte", name)) as run:
            run.prompt = world.prompt(name)
            run.scores.append(world.score("rte", accuracy))
            run.scores.append(replace(world.score("rte", f1), metric="f1", is_primary=False))
    with lineage.record(world.request("learn", MULTITASK)) as run:
        run.prompt = world.prompt("source", "source", ("rte", "cb"))
        mean = replace(world.score(MULTITASK, 65.0), metric="mean")
        run.scores += [mean, replace(world.score("rte", 75.0), is_primary=False)]

    assert lineage.best("rte").prompt == world.sha("a")
    found = lineage.best("rte", Wanted(metric="f1"))
    assert (found.prompt, found.metric, found.score) == (world.sha("b"), "f1", 60.0)
    assert lineage.best("rte", Wanted(metric="mcc")) is None
    assert lineage.best(MULTITASK, Wanted(metric="mean")).score == 65.0
    assert lineage.best(MULTITASK, Wanted(metric="accuracy")) is None


def test_only_what_trained_few_enough_numbers_counts(lineage, world):
    sizes = [("large", 90.0, 900), ("small", 80.0, 90), ("imported", 85.0, None)]
    for name, value, trained in sizes:
        with lineage.record(world.request("adapt", "rte", name)) as run:
            run.prompt, run.trained = world.prompt(name), trained
            run.scores.append(world.score("rte", value))

    wanted = {900: "large", 899: "imported", 40: "imported", 39: None}  # it is 5 x 8
    for most, name in wanted.items():
        found = lineage.best("rte", Wanted(max_parameters=most))
        assert (found and found.prompt) == (name and world.sha(name))
    assert lineage.best("rte", Wanted(max_parameters=90)).parameters == 40


def test_only_what_learned_from_so_many_examples_counts(lineage, world):
    for name, value, draw in [("all", 90.0, None), ("4", 70.0, 4), ("16", 80.0, 16)]:
        request = world.request("adapt", "rte", name)
        few = {"draw": {"shots": draw, "seed": 0}} if draw else {"draw": None}
        with lineage.record(replace(request, spec={**request.spec, **few})) as run:
            run.prompt = world.prompt(name)
            run.scores.append(world.score("rte", value))

    assert lineage.best("rte").shots is None
    assert lineage.best("rte", Wanted(shots=4)).prompt == world.sha("4")
    assert lineage.best("rte", Wanted(shots=16)).shots == 16
    assert lineage.best("rte", Wanted(shots=8)) is None


def test_all_tasks_have_their_best_and_a_table_has_the_same(lineage, world):
    assert lineage.best_of_all() == []
    assert list(best_prompts(lineage).columns[:3]) == ["task", "prompt", "kind"]
    for task, value in [("rte", 60.0), ("cb", 70.0), ("wic", 50.0)]:
        world.train(lineage, task, f"{task} best", value)
        world.train(lineage, task, f"{task} other", value - 1)
        world.evaluate(lineage, task, world.sha(f"{task} best"), value + 1)

    found = lineage.best_of_all()
    assert [one.task for one in found] == ["cb", "rte", "wic"]
    assert found == [lineage.best(one.task) for one in found]
    table = best_prompts(lineage)
    assert table.to_dict("records") == [asdict(one) for one in found]
    two = best_prompts(lineage, "rte", limit=3)
    assert list(two["prompt"]) == [world.sha("rte best"), world.sha("rte other")]
    assert list(two["score"]) == [60.0, 59.0]
    assert len(best_prompts(lineage, limit=1000)) == 6


def test_the_answer_is_read_from_an_index(lineage, world):
    world.train(lineage, "rte", "p", 60.0)
    asked = []

    class Overheard(Reader):
        def ask(self, sql, **binds):
            asked.append((sql, binds))
            return super().ask(sql, **binds)

    with lineage.database.asking() as reader:
        if reader.dialect != "sqlite":
            return  # PostgreSQL reads small tables whole, whatever indexes they have
        ranking(Overheard(*vars(reader).values()), "rte")
        best_of_all(Overheard(*vars(reader).values()))
        assert len(asked) == 2
        for statement, values in asked:
            steps = [
                row[-1] for row in reader.ask(f"EXPLAIN QUERY PLAN {statement}", **values).rows
            ]
            assert any("ix_score_best" in step for step in steps)
            assert not [step for step in steps if re.match(r"SCAN (score|run|prompt)\b", step)]
