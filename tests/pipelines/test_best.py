import pytest

from pipelines import registration
from pipelines.recording import ScoreInfo


def register(lineage, sha, version):
    """What a registry does after it has taken a prompt; returns the champion of its name."""
    with lineage.database.writing() as connection:
        (candidate,) = registration.candidates(connection, sha)
        registration.register(connection, candidate, version)
        champions = {one.model_name: one for one in registration.champions(connection)}
    champion = champions.get(candidate.model_name)
    return champion and champion.prompt_sha


def test_the_best_is_best_on_validation_whatever_the_test_says(lineage, world):
    run = world.train(lineage, "rte", "good", 80.0)
    world.train(lineage, "rte", "lucky", 70.0)
    world.evaluate(lineage, "rte", world.sha("good"), 60.0)
    world.evaluate(lineage, "rte", world.sha("lucky"), 90.0)

    best = lineage.best("rte")
    assert (best.prompt_sha, best.run_id) == (world.sha("good"), run.id)
    assert (best.metric, best.validation_score, best.validation_n) == ("accuracy", 80.0, 40)
    assert (best.test_score, best.test_n) == (60.0, 40)
    assert (best.task, best.kind, best.backbone_sha) == ("rte", "target", world.backbone.sha)
    assert (best.model_name, best.version, best.champion) == (None, None, False)


def test_of_equal_scores_the_smaller_digest_wins(lineage, world):
    names = ["one", "two", "three", "four"]
    for name in names:
        world.train(lineage, "rte", name, 80.0)

    assert lineage.best("rte").prompt_sha == min(world.sha(name) for name in names)


def test_nothing_is_best_where_nothing_was_made(lineage, world):
    with pytest.raises(RuntimeError):
        world.fail(lineage, world.request("adapt", "rte"), RuntimeError())
    assert lineage.best("rte") is None
    assert lineage.best("' OR 1=1 --") is None


def test_a_backbone_has_a_best_of_its_own(lineage, world):
    world.train(lineage, "rte", "nano", 80.0)
    world.train(lineage, "rte", "big", 85.0, backbone=world.other_backbone)

    assert lineage.best("rte").prompt_sha == world.sha("big")
    assert lineage.best("rte", world.backbone.sha).prompt_sha == world.sha("nano")
    assert lineage.best("rte", "f" * 64) is None


def test_a_score_that_is_not_primary_does_not_count(lineage, world):
    world.train(lineage, "rte", "p", 50.0)
    with lineage.record(world.request("adapt", "rte", "q")) as run:
        run.prompt = world.prompt("q")
        run.scores.append(world.score("rte", 99.0, is_primary=False))

    assert lineage.best("rte").prompt_sha == world.sha("p")


def test_equal_bytes_made_for_two_tasks_are_best_for_both(lineage, world):
    for task, value in [("rte", 60.0), ("cb", 70.0)]:
        with lineage.record(world.request("adapt", task)) as run:
            run.prompt = world.prompt("same")
            run.scores.append(world.score(task, value))

    assert lineage.best("rte").validation_score == 60.0
    assert lineage.best("cb").prompt_sha == world.sha("same")
    with lineage.database.reading() as connection:
        names = {one.model_name for one in registration.candidates(connection, world.sha("same"))}
    digits = world.backbone.sha[:8]
    assert names == {f"softprompt.nano-t5-{digits}.rte", f"softprompt.nano-t5-{digits}.cb"}


def test_the_newest_evaluation_is_the_one_that_counts(lineage, world):
    world.train(lineage, "rte", "p", 80.0)
    world.evaluate(lineage, "rte", world.sha("p"), 60.0)
    world.evaluate(lineage, "rte", world.sha("p"), 61.0, name="again")

    assert lineage.best("rte").test_score == 61.0


def test_only_a_strictly_better_prompt_takes_the_title(lineage, world):
    for name, value in [("first", 80.0), ("equal", 80.0), ("worse", 79.0), ("better", 81.0)]:
        world.train(lineage, "rte", name, value)

    assert register(lineage, world.sha("first"), 1) == world.sha("first")
    assert register(lineage, world.sha("equal"), 2) == world.sha("first")
    assert register(lineage, world.sha("worse"), 3) == world.sha("first")
    assert register(lineage, world.sha("better"), 4) == world.sha("better")
    assert register(lineage, world.sha("first"), 1) == world.sha("better")
    best = lineage.best("rte")
    assert (best.version, best.champion) == (4, True)
    assert best.model_name == f"softprompt.nano-t5-{world.backbone.sha[:8]}.rte"
    assert lineage.version(world.sha("better"), "rte") == f"{best.model_name}/4"
    assert lineage.version(world.sha("better"), "cb") == ""


def test_scores_on_other_examples_or_of_another_metric_take_no_title(lineage, world):
    world.train(lineage, "rte", "first", 60.0)
    world.train(lineage, "rte", "other data", 90.0, version="2")
    with lineage.record(world.request("adapt", "rte", "other metric")) as run:
        run.prompt = world.prompt("other metric")
        dataset = world.dataset("rte", "validation")
        run.scores.append(ScoreInfo(dataset, "f1", 90.0, 40, is_primary=True))

    assert register(lineage, world.sha("first"), 1) == world.sha("first")
    assert register(lineage, world.sha("other data"), 2) == world.sha("first")
    assert register(lineage, world.sha("other metric"), 3) == world.sha("first")


def test_a_prompt_that_was_never_validated_is_no_champion(lineage, world):
    with lineage.record(world.request("adapt", "rte")) as run:
        run.prompt = world.prompt("p")

    assert register(lineage, world.sha("p"), 1) is None


def test_each_backbone_and_task_has_a_champion(lineage, world):
    world.train(lineage, "rte", "a", 80.0)
    world.train(lineage, "rte", "b", 70.0, backbone=world.other_backbone)
    world.train(lineage, "cb", "c", 60.0)

    for name in "abc":
        assert register(lineage, world.sha(name), 1) == world.sha(name)
    with lineage.database.reading() as connection:
        names = [one.model_name for one in registration.champions(connection)]
    assert f"softprompt.big-t5-{world.other_backbone.sha[:8]}.rte" in names
    assert len(names) == 3


def test_a_registry_that_counts_from_one_again_voids_old_versions(lineage, world):
    world.train(lineage, "rte", "old", 80.0)
    world.train(lineage, "rte", "new", 70.0)
    register(lineage, world.sha("old"), 1)
    register(lineage, world.sha("new"), 1)  # its database was lost in between

    with lineage.database.reading() as connection:
        assert registration.pending(connection) == [world.sha("old")]
        assert registration.champions(connection)[0].version is None


def test_pending_is_what_the_registry_has_not_seen(lineage, world):
    world.train(lineage, "rte", "a", 80.0)
    world.train(lineage, "cb", "b", 70.0)
    with lineage.database.reading() as connection:
        assert registration.pending(connection) == [world.sha("a"), world.sha("b")]
    register(lineage, world.sha("a"), 1)
    register(lineage, world.sha("b"), 1)
    with lineage.database.reading() as connection:
        assert registration.pending(connection) == []
    world.evaluate(lineage, "cb", world.sha("b"), 60.0)
    with lineage.database.reading() as connection:
        assert registration.pending(connection) == [world.sha("b")]
