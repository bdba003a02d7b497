"""Who becomes champion: by real answers in a real store, on both databases."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pytest
import torch
from sqlalchemy import select

from mpt.peft_format import pack
from mpt.prompt import SoftPrompt
from pipelines import outbox, promotion, references, registration, standing
from pipelines.promotion import NothingBefore, Refused
from pipelines.records import MULTITASK
from pipelines.registry_tables import registrations
from pipelines.standing import Outrun
from pipelines.store import Store
from tasks import Example

RIGHT = "entailment"
WRONG = "not_entailment"


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture
def train(lineage, store, world):
    """Record a training whose answers, references and prompt are in the store."""

    def record(name, right, n=200, task="rte", majority=40.0, version="", first_wrong=0, **others):
        answers = [RIGHT] * n
        for at in range(n - right):
            answers[(first_wrong + at) % n] = WRONG
        examples = [Example("", (RIGHT,))] * n
        seed = int(world.sha(name)[:6], 16)
        data = pack(SoftPrompt(torch.full((5, 8), float(seed))))
        with lineage.record(world.request("adapt", task, name, **others)) as run:
            run.prompt = world.prompt(store.put(data))
            kept = {
                "predictions_sha": store.put(json.dumps(answers).encode()),
                "references_sha": references.keep(examples, store),
            }
            score = world.score(task, 100 * right / n, version=version, **kept)
            run.scores.append(replace(score, n=n))
            plain = world.majority(task, version)
            run.scores.append(replace(plain, value=majority))
        return run.prompt.sha

    return record


@pytest.fixture
def promote(lineage, store):
    return lambda sha, reason=None: promotion.promote(sha, "rte", lineage, store, reason)


def standing_of(lineage, sha):
    with lineage.database.reading() as connection:
        mine = select(registrations.c.standing).where(registrations.c.prompt_sha == sha)
        return connection.scalar(mine)


def moves(lineage):
    with lineage.database.reading() as connection:
        return standing.moves(connection)


def test_the_first_champion_must_beat_the_majority_class(train, promote, lineage):
    poor, good = train("poor", 80), train("good", 81)

    with pytest.raises(Refused, match=r"40\.00 does not beat the majority class, 40\.00; --force"):
        promote(poor)
    verdict = promote(good)
    assert (verdict.gain, verdict.p) == (0.5, None)
    assert [standing_of(lineage, sha) for sha in (poor, good)] == ["candidate", "champion"]
    (crowned, declined) = moves(lineage)
    assert (declined.move, declined.prompt_sha, declined.gain) == ("declined", poor, 0.0)
    assert "majority" in declined.refused
    assert (crowned.move, crowned.prompt_sha, crowned.other_sha) == ("promoted", good, None)


def test_a_champion_falls_only_to_what_is_surely_better_on_the_same_examples(
    train, promote, lineage
):
    first, close, better = train("first", 120), train("close", 123, first_wrong=50), train("b", 150)
    promote(first)

    with pytest.raises(Refused, match=r"\+1\.50 points over the champion may be chance"):
        promote(close)
    assert standing_of(lineage, close) == "challenger"
    verdict = promote(better)
    assert verdict.gain == 15.0
    assert verdict.p < 0.01
    assert [standing_of(lineage, sha) for sha in (first, close, better)] == [
        "archived", "challenger", "champion",
    ]  # fmt: skip
    assert moves(lineage)[0].other_sha == first
    assert lineage.best("rte").alias == "champion"


def test_the_same_gain_counts_for_more_where_both_err_on_the_same_examples(train, promote):
    promote(train("first", 120))
    assert promote(train("paired", 123)).p < 0.1  # it is right wherever the first is


def test_what_scores_no_better_is_declined_and_is_no_challenger(train, promote, lineage):
    promote(train("first", 120))
    for name, right, why in [("equal", 120, "just like"), ("worse", 110, "points behind")]:
        with pytest.raises(Refused, match=f"{why} the champion"):
            promote(train(name, right, first_wrong=9))
    assert {one.move for one in moves(lineage)} == {"promoted", "declined"}


def test_the_better_of_two_challengers_is_the_challenger(train, promote, lineage):
    promote(train("first", 120))
    shas = [train(name, right, first_wrong=50) for name, right in (("a", 121), ("b", 123))]
    shas.append(train("c", 122, first_wrong=60))
    for sha in shas:
        with pytest.raises(Refused, match="may be chance"):
            promote(sha)
    standings = [standing_of(lineage, sha) for sha in shas]
    assert standings == ["candidate", "challenger", "candidate"]


@pytest.mark.parametrize("other", [{"version": "2"}, {"n": 300, "version": "3"}])
def test_other_examples_are_not_compared_unless_forced(train, promote, lineage, other):
    promote(train("first", 120))
    sha = train("other", other.get("n", 200), **other)

    with pytest.raises(Refused, match="validated on other examples"):
        promote(sha)
    promote(sha, "the validation split was mended")
    (forced, *_) = moves(lineage)
    assert (forced.move, forced.reason) == ("forced", "the validation split was mended")
    assert standing_of(lineage, sha) == "champion"


def test_what_does_not_load_is_no_champion_and_cannot_be_forced(train, promote, store, lineage):
    lost, changed = train("lost", 150), train("changed", 150)
    (store.place.root / lost[:2] / lost).unlink()
    (store.place.root / changed[:2] / changed).write_bytes(b"something else")

    for sha, said in [(lost, "is not in the store"), (changed, "it was changed after")]:
        for reason in (None, "please"):
            with pytest.raises(Refused, match=said) as refused:
                promote(sha, reason)
            assert "--force" not in str(refused.value)
    assert lineage.best("rte").alias is None


def test_answers_that_were_not_kept_are_told_and_not_guessed(train, promote, world, lineage, store):
    promote(train("first", 120))
    data = store.put(pack(SoftPrompt(torch.ones(5, 8))))
    world.train(lineage, "rte", data, 90.0)
    with pytest.raises(Refused, match="what was right was not kept"):
        promote(data)


def test_a_prompt_without_a_validation_score_is_no_champion(promote, world, lineage, store):
    with lineage.record(world.request("adapt", "rte")) as run:
        run.prompt = world.prompt(store.put(pack(SoftPrompt(torch.ones(5, 8)))))
    with pytest.raises(Refused, match="has no validation score"):
        promote(run.prompt.sha)


def test_each_backbone_and_task_has_a_champion_of_its_own(train, lineage, store, world):
    shas = [train("a", 120), train("b", 100, backbone=world.other_backbone)]
    shas.append(train("c", 90, task="cb"))
    for sha, task in zip(shas, ("rte", "rte", "cb"), strict=True):
        promotion.promote(sha, task, lineage, store)
    assert {standing_of(lineage, sha) for sha in shas} == {"champion"}


def test_the_champion_itself_is_left_alone(train, promote, lineage):
    sha = train("first", 120)
    promote(sha)
    promote(sha)
    assert len(moves(lineage)) == 1


def test_a_source_prompt_is_compared_by_the_mean_over_its_tasks(lineage, store, world):
    def learn(name, rights, n=100):
        data = pack(SoftPrompt(torch.full((5, 8), float(sum(rights)))))
        with lineage.record(world.request("learn", MULTITASK, name)) as run:
            run.prompt = world.prompt(store.put(data), "source")
            mean = world.score(MULTITASK, sum(rights) / len(rights))
            run.scores.append(replace(mean, metric="mean"))
            plain = world.score(MULTITASK, 50.0, method="majority", is_primary=False)
            run.scores.append(replace(plain, metric="mean"))
            for task, right in zip(("rte", "boolq"), rights, strict=True):
                label = {"rte": RIGHT, "boolq": "True"}[task]
                answers = [label] * right + ["no"] * (n - right)
                kept = {
                    "predictions_sha": store.put(json.dumps(answers).encode()),
                    "references_sha": references.keep([Example("", (label,))] * n, store),
                }
                run.scores.append(world.score(task, float(right), is_primary=False, **kept))
        return run.prompt.sha

    first, mixed, better = learn("a", (70, 60)), learn("b", (60, 71)), learn("c", (80, 66))
    promotion.promote(first, MULTITASK, lineage, store)
    with pytest.raises(Refused, match="may be chance"):
        promotion.promote(mixed, MULTITASK, lineage, store)
    verdict = promotion.promote(better, MULTITASK, lineage, store)
    assert verdict.gain == 8.0
    assert verdict.p < 0.1


def test_of_two_promotions_at_once_one_wins_and_the_other_is_told(train, lineage, store):
    shas = [train("a", 120), train("b", 150)]
    meet = Barrier(2)

    def attempt(sha):
        one, verdict, before = promotion._judge(sha, "rte", lineage, store)
        assert verdict.passed
        meet.wait()  # both have been judged against nobody
        try:
            with lineage.database.writing() as connection:
                standing.crown(connection, one, standing.Decision("promoted", before))
        except Outrun as error:
            return str(error)
        return "champion"

    with ThreadPoolExecutor(2) as pool:
        said = list(pool.map(attempt, shas))
    winner = shas[said.index("champion")]
    (told,) = (one for one in said if one != "champion")
    assert f"{winner[:12]} became champion" in told
    assert sorted(standing_of(lineage, sha) for sha in shas) == ["candidate", "champion"]
    # Tried again, the better one is champion whoever was first.
    promotion.review(lineage, store)
    assert standing_of(lineage, shas[1]) == "champion"


def test_a_review_judges_each_new_prompt_once(train, lineage, store):
    shas = [train("poor", 70), train("good", 120), train("better", 160), train("worse", 90)]
    names = promotion.review(lineage, store)

    assert len(names.told) == 2
    assert names.failed == {}
    assert [standing_of(lineage, sha) for sha in shas] == [
        "candidate", "archived", "champion", "candidate",
    ]  # fmt: skip
    before = moves(lineage)
    promotion.review(lineage, store)
    assert moves(lineage) == before


def test_rolling_back_gives_the_place_to_the_champion_before(train, promote, lineage, store):
    first, second = train("first", 120), train("second", 150)
    name = f"softprompt.nano-t5-{lineage.get_prompt(first).backbone.sha[:8]}.rte"
    with pytest.raises(NothingBefore):
        promotion.restore(name, lineage, "why not")
    promote(first)
    with pytest.raises(NothingBefore):
        promotion.restore(name, lineage, "why not")
    promote(second)

    assert promotion.restore(name, lineage, "it answers slowly") == first
    assert [standing_of(lineage, sha) for sha in (first, second)] == ["champion", "archived"]
    (restored, *_) = moves(lineage)
    assert (restored.move, restored.other_sha) == ("restored", second)
    assert restored.reason == "it answers slowly"
    assert promotion.restore(name, lineage, "it was the network") == second


def test_an_archived_champion_leaves_its_place_to_the_next_that_beats_the_majority(
    train, promote, lineage
):
    first, next_one = train("first", 150), train("next", 100)
    promote(first)
    promotion.archive(first, "rte", lineage, "withdrawn data")
    assert lineage.best("rte").alias is None
    assert promote(next_one).passed


def test_mlflow_is_to_be_told_of_each_move_once(train, promote, lineage):
    first, second = train("first", 120), train("second", 150)
    promote(first)
    promote(second)
    with lineage.database.reading() as connection:
        (one,) = registration.candidates(connection, first)
        due = [item for item in outbox.due(connection, "registry", 99) if item.what == "champion"]
    assert [item.subject for item in due] == [one.model_name]


def test_who_closes_a_version_waits_for_who_crowns_it_and_both_get_their_way(
    train, promote, lineage
):
    first, better = train("first", 120), train("better", 150)
    promote(first)
    with lineage.database.reading() as connection:
        (champion,), (one,) = (registration.candidates(connection, sha) for sha in (first, better))

    def close():
        with lineage.database.writing() as connection:
            registration.close(connection, champion, version=1)

    decided = standing.Decision("promoted", before=first, evidence={})
    with ThreadPoolExecutor(1) as pool:
        with lineage.database.writing() as connection:
            outbox.ask(connection, "registry", "champion", one.model_name)  # as `crown` begins
            closed = pool.submit(close)
            time.sleep(0.5)  # it is under way, and waits
            standing.crown(connection, one, decided)
        closed.result()
    assert [standing_of(lineage, sha) for sha in (first, better)] == ["archived", "champion"]
    assert lineage.version(first, "rte") == f"{one.model_name}/1"
