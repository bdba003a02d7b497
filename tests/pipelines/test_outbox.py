"""What other systems are still to be told, and telling them."""

import pytest

from pipelines import outbox
from pipelines.relay import deliver


class Down(Exception):
    pass


@pytest.fixture
def ask(lineage):
    def add(subject, sink="registry", what="prompt"):
        with lineage.database.writing() as connection:
            outbox.ask(connection, sink, what, subject)

    return add


def due(lineage, sink="registry"):
    with lineage.database.reading() as connection:
        return [one.subject for one in outbox.due(connection, sink, 99)]


def test_a_run_that_ends_asks_for_what_others_must_know(lineage, world):
    world.train(lineage, "rte", "a", 80.0)
    assert due(lineage) == due(lineage, "gate") == [world.sha("a")]
    with pytest.raises(RuntimeError):
        world.fail(lineage, world.request("adapt", "rte", "fails"), RuntimeError())
    assert due(lineage) == [world.sha("a")]  # nothing of a run that made nothing
    deliver(lineage, "registry", lambda item: [item.subject])
    assert due(lineage) == []
    world.evaluate(lineage, "rte", world.sha("a"), 60.0)
    assert due(lineage) == [world.sha("a")]  # its test score is new
    assert due(lineage, "openlineage") == []


def test_what_was_asked_twice_is_told_once_and_in_order(lineage, ask):
    for subject in ("a", "b", "a", "c"):
        ask(subject)
    told = []
    delivered = deliver(lineage, "registry", lambda item: told.append(item.subject) or ["x"])
    assert told == ["a", "b", "c"]
    assert delivered.told == ["x"] * 3
    assert deliver(lineage, "registry", lambda item: ["again"]).told == []


def test_what_changes_while_it_is_told_is_told_again(lineage, ask):
    ask("a")
    told = []

    def tell(item):
        told.append(item.asked)
        if len(told) == 1:
            ask("a")
        return []

    deliver(lineage, "registry", tell)
    assert (told, due(lineage)) == ([1, 2], [])


def test_each_sink_and_each_kind_of_thing_is_told_apart(lineage, ask):
    ask("a", "registry", "prompt")
    ask("a", "registry", "champion")
    ask("a", "openlineage", "start")
    with lineage.database.reading() as connection:
        assert outbox.waiting(connection) == {"registry": 2, "openlineage": 1}
    deliver(lineage, "openlineage", lambda item: [])
    with lineage.database.reading() as connection:
        assert outbox.waiting(connection) == {"registry": 2}


def test_a_failure_costs_one_thing_and_comes_last_the_next_time(lineage, ask):
    for subject in "abc":
        ask(subject)

    def tell(item):
        if item.subject == "a":
            raise ValueError("no\nsuch thing")
        return [item.subject]

    first = deliver(lineage, "registry", tell)
    assert first.told == ["b", "c"]
    assert first.failed == {"a": "ValueError: no\nsuch thing"}
    ask("d")
    assert due(lineage) == ["d", "a"]
    with lineage.database.reading() as connection:
        assert outbox.due(connection, "registry", 9)[1].attempts == 1


def test_a_system_that_is_down_is_asked_once_and_catches_up(lineage, ask):
    for subject in "abc":
        ask(subject)
    calls = []

    def tell(item):
        calls.append(item.subject)
        if len(calls) == 2:
            raise Down
        return [item.subject]

    with pytest.raises(Down):
        deliver(lineage, "registry", tell, down=Down)
    assert calls == ["a", "b"]
    assert sorted(deliver(lineage, "registry", tell, down=Down).told) == ["b", "c"]


def test_a_death_while_telling_leaves_it_due(lineage, ask):
    ask("a")
    with pytest.raises(KeyboardInterrupt):
        deliver(lineage, "registry", lambda item: (_ for _ in ()).throw(KeyboardInterrupt))
    assert due(lineage) == ["a"]


def test_what_is_undone_is_not_told(lineage):
    def undo():
        with lineage.database.writing() as connection:
            outbox.ask(connection, "registry", "prompt", "a")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        undo()
    assert due(lineage) == []
