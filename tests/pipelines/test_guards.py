"""What the database itself refuses, whoever asks."""

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import IntegrityError

from pipelines import guards, migrations, standing
from pipelines.database import connect
from pipelines.edges import edges
from pipelines.indexes import MODELS
from pipelines.registration import candidate
from pipelines.standing import Decision
from pipelines.tables import runs

COUNT = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal",
}


def triggers(engine):
    with engine.connect() as connection:
        return set(connection.scalars(text(COUNT[engine.dialect.name])))


@pytest.fixture
def known(lineage, world):
    """A teacher, and a target adapted from it and tested."""
    world.train(lineage, "rte", "t", 50.0, stage="teach")
    made = world.train(lineage, "rte", "p", 60.0, reads={"source": [world.sha("t")]})
    world.evaluate(lineage, "rte", world.sha("p"), 61.0, predictions_sha=world.sha("answers"))
    return made


def test_the_newest_schema_has_every_guard_and_no_older_one_has_any(empty_url):
    engine = connect(empty_url)
    whole = {
        "guard_ended_run",
        *(f"guard_told_{one}" for one in guards.TOLD),
        *(f"guard_added_{one}" for one in guards.OF_A_RUN),
    }
    migrations.upgrade(engine)
    assert triggers(engine) == whole
    migrations.upgrade(engine)
    assert triggers(engine) == whole
    migrations.downgrade(engine, "0004")
    assert triggers(engine) == set()
    engine.dispose()


def test_only_runs_registrations_and_the_outbox_may_change(lineage):
    assert {*guards.TOLD, "run", "registration", "outbox"} == set(MODELS.tables)


@pytest.mark.parametrize("change", [
    "status = 'running', ended_at = NULL", "status = 'abandoned'", "error = 'none'",
    "seconds = 0", "curve = '[[1, 99.0]]'", "heartbeat_at = NULL", "trained = 1",
])  # fmt: skip
def test_a_run_that_has_ended_never_changes_again(known, lineage, change):
    before = lineage.get_run(known.id)
    with pytest.raises(IntegrityError, match="ended never changes"):
        sql(lineage, f"UPDATE run SET {change} WHERE id = '{known.id}'")
    assert lineage.get_run(known.id) == before


def sql(lineage, statement):
    with lineage.database.writing() as connection:
        return connection.execute(text(statement)).rowcount


@pytest.mark.parametrize("status", ["completed", "failed", "abandoned"])
def test_a_running_run_may_end_in_each_way_and_only_once(lineage, world, status):
    with pytest.raises(IntegrityError, match="ended never changes"):
        end_twice(lineage, world, status)
    with lineage.database.reading() as connection:
        assert connection.scalars(select(runs.c.status)).all() == [status]


def end_twice(lineage, world, status):
    with lineage.record(world.request("adapt", "rte")) as run:
        ended = f"UPDATE run SET status = '{status}', ended_at = started_at WHERE id = '{run.id}'"
        assert sql(lineage, ended) == 1
        sql(lineage, ended)


@pytest.mark.parametrize("table", guards.TOLD)
def test_what_was_told_is_never_changed(known, lineage, world, table):
    column = {"score": "value", "draw": "shots", "promotion": "move"}.get(table, "role")
    column = column if column in MODELS.tables[table].c else "created_at"
    if table in {"draw", "template"}:
        add_a_draw(lineage, world)
    if table == "promotion":
        with lineage.database.writing() as connection:
            standing.note(
                connection, candidate(connection, world.sha("p"), "rte"), Decision("declined")
            )
    with pytest.raises(IntegrityError, match="told is never changed"):
        sql(lineage, f"UPDATE {table} SET {column} = {column}")


def add_a_draw(lineage, world):
    with lineage.record(world.request("adapt", "rte", "few", datasets=world.drawn("rte"))) as run:
        run.prompt = world.prompt("few")


@pytest.mark.parametrize("table", guards.OF_A_RUN)
def test_nothing_is_added_to_a_run_that_has_ended(known, lineage, world, table):
    same = MODELS.tables[table]
    with lineage.database.reading() as connection:
        row = connection.execute(select(same).limit(1)).mappings().one()
    other = {
        "run_dataset": {"role": "test"},
        "run_prompt": {"role": "front"},
        "edge": {"role": "context_of"},
        "score": {"metric": "f1", "id": 99, "is_primary": False},
    }
    add = insert(same).values({**row, **other[table]})
    with (
        pytest.raises(IntegrityError, match="ended never changes"),
        lineage.database.writing() as connection,
    ):
        connection.execute(add)


@pytest.mark.parametrize("values", [
    {"child_sha": "c" * 64}, {"parent_sha": "c" * 64}, {"run_id": "c" * 32}, {"role": "cousin_of"},
])  # fmt: skip
def test_an_edge_joins_what_exists(known, lineage, world, values):
    with lineage.record(world.request("adapt", "rte", "under way")) as run:
        good = {"child_sha": world.sha("p"), "parent_sha": world.sha("t"), "run_id": run.id,
                "role": "context_of"}  # fmt: skip
        with pytest.raises(IntegrityError), lineage.database.writing() as connection:
            connection.execute(insert(edges).values(good | values))
        with lineage.database.writing() as connection:
            connection.execute(insert(edges).values(good))
        run.prompt = world.prompt("q")


@pytest.mark.parametrize(("table", "change"), [
    ("run", "seconds = -1"), ("run", "steps = 4"), ("run", "steps = -1"),
    ("run", "losses_sha = 'cccc'"), ("run", "resumed_sha = 'cccc'"), ("run", "stage = 'guess'"),
    ("run", "status = 'done'"), ("run", "ended_at = started_at"),
])  # fmt: skip
def test_a_running_run_holds_to_its_rules_too(lineage, world, table, change):
    with lineage.record(world.request("adapt", "rte")) as run:
        with pytest.raises(IntegrityError):
            sql(lineage, f"UPDATE {table} SET {change} WHERE id = '{run.id}'")
        run.prompt = world.prompt("p")


def test_a_prompt_without_its_artifact_is_refused(known, lineage):
    prompts = MODELS.tables["prompt"]
    with lineage.database.reading() as connection:
        row = connection.execute(select(prompts)).mappings().first()
    with pytest.raises(IntegrityError), lineage.database.writing() as connection:
        connection.execute(insert(prompts).values({**row, "sha": "c" * 64}))
