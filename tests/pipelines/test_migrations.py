import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text

from pipelines import migrations
from pipelines.database import connect, is_current
from pipelines.indexes import MODELS
from pipelines.lineage import Lineage
from pipelines.reader import HEAD

OPEN = """
import sys
from pathlib import Path
from pipelines.lineage import Lineage
print(Lineage.open(sys.argv[1], Path(sys.argv[2])).best("rte"))
"""


@pytest.fixture
def engine(empty_url):
    engine = connect(empty_url)
    yield engine
    engine.dispose()


def rules(engine):
    """All checks, keys and indexes, as the database tells them."""
    asked = inspect(engine)
    return {
        table: (
            sorted((c["name"], c["sqltext"]) for c in asked.get_check_constraints(table)),
            sorted((k["name"], k["constrained_columns"]) for k in asked.get_foreign_keys(table)),
            sorted((i["name"], i["column_names"], i["unique"]) for i in asked.get_indexes(table)),
        )
        for table in MODELS.tables
    }


def test_the_program_knows_its_newest_migration():
    assert ScriptDirectory(str(migrations.HERE)).get_current_head() == HEAD


def test_migrating_makes_exactly_the_tables_of_the_models(engine, empty_url):
    migrations.upgrade(engine)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), MODELS) == []
    migrated = rules(engine)

    migrations.downgrade(engine)
    MODELS.create_all(engine)
    assert migrated == rules(engine)


def test_downgrading_leaves_nothing_even_with_rows_and_upgrading_works_again(
    engine, empty_url, tmp_path, world
):
    lineage = Lineage.open(empty_url, tmp_path / "locks")
    world.train(lineage, "rte", "t", 50.0, stage="teach")
    world.train(lineage, "rte", "p", 50.0, reads={"source": [world.sha("t")]})
    world.evaluate(lineage, "rte", world.sha("p"), 51.0)
    lineage.close()

    migrations.upgrade(engine)  # again: nothing to do, and the rows stay
    assert Lineage(engine, tmp_path / "locks").best("rte").test_score == 51.0

    migrations.downgrade(engine)
    assert inspect(engine).get_table_names() == ["alembic_version"]
    assert not is_current(engine)

    again = Lineage.open(empty_url, tmp_path / "locks")
    assert is_current(engine)
    assert again.best("rte") is None
    again.close()


OLD_BACKBONE = (
    "INSERT INTO backbone (sha, name, hidden_size, num_layers, num_heads, parameters, created_at) "
    f"VALUES ('{'0' * 64}', 'old', 8, 1, 1, 9, '2026-01-01 00:00:00+00:00')"
)


OLD_RUN = (
    "INSERT INTO run (id, stage, status, request_sha, attempt, spec, seed, task, environment, "
    "started_at, truncated, warnings, curve) VALUES "
    f"('{'a' * 32}', 'adapt', 'running', '{'1' * 64}', 1, '{{}}', 0, 'rte', "
    "'{\"device\": \"cpu\", \"threads\": 1}', '2026-01-01 00:00:00+00:00', 0, '[]', '[]')"
)


def test_few_shot_runs_come_with_0002_and_go_with_it_and_the_rest_stays(
    engine, empty_url, tmp_path, world
):
    migrations.upgrade(engine, "0001")
    old = Lineage(engine, tmp_path / "locks")
    with engine.begin() as connection:
        connection.execute(text(OLD_BACKBONE))
    migrations.upgrade(engine)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT architecture FROM backbone")) == "encoder-decoder"
    world.train(old, "rte", "t", 50.0, stage="teach")
    world.evaluate(old, "rte", world.sha("t"), 49.0)
    world.train(old, "rte", "c", 60.0, stage="few_shot")
    world.evaluate(old, "rte", world.sha("c"), 61.0)
    assert old.best("rte").kind == "context"

    migrations.downgrade(engine, "0001")
    migrations.upgrade(engine)
    found = old.best("rte")
    assert (found.kind, found.test_score) == ("teacher", 49.0)
    with engine.connect() as connection:
        stages = connection.scalars(text("SELECT stage FROM run ORDER BY stage")).all()
    assert stages == ["evaluate", "teach"]


def test_imports_go_with_0003_and_what_rests_on_them_too_and_the_rest_stays(
    engine, empty_url, tmp_path, world
):
    lineage = Lineage.open(empty_url, tmp_path / "locks")
    world.train(lineage, "rte", "ours", 50.0, stage="teach")
    world.train(lineage, "rte", "ours", 50.0, stage="import")  # exported, and taken in again
    world.train(lineage, "rte", "theirs", 60.0, stage="import")
    world.train(lineage, "rte", "child", 61.0, reads={"source": [world.sha("theirs")]})
    world.evaluate(lineage, "rte", world.sha("child"), 62.0)
    world.evaluate(lineage, "rte", world.sha("ours"), 49.0)
    lineage.close()

    migrations.downgrade(engine, "0002")
    migrations.upgrade(engine)

    found = Lineage(engine, tmp_path / "locks").best("rte")
    assert (found.prompt, found.test_score) == (world.sha("ours"), 49.0)
    with engine.connect() as connection:
        stages = connection.scalars(text("SELECT stage FROM run ORDER BY stage")).all()
        kept = connection.scalars(text("SELECT sha FROM prompt")).all()
    assert stages == ["evaluate", "teach"]
    assert kept == [world.sha("ours")]


def test_baselines_come_with_0004_and_go_with_it_and_the_rest_stays(
    engine, empty_url, tmp_path, world
):
    migrations.upgrade(engine, "0003")
    old = Lineage(engine, tmp_path / "locks")
    with engine.begin() as connection:
        connection.execute(text(OLD_BACKBONE))
        connection.execute(text(OLD_RUN))
    migrations.upgrade(engine)
    assert old.get_run("a" * 32).trained is None
    world.train(old, "rte", "t", 50.0, stage="teach")
    world.evaluate(old, "rte", world.sha("t"), 49.0)
    request = world.request("baseline", "rte")
    with old.record(request) as run:
        run.trained = 12_000_000_000  # more than 32 bits
        run.scores.append(world.score("rte", 70.0, method="p_tuning_lstm"))
        run.scores.append(world.score("rte", 71.0, split="test", method="p_tuning_lstm"))
    found = old.find(request.sha)
    assert (found.trained, found.prompt) == (12_000_000_000, None)
    assert [one.value for one in found.scores] == [70.0, 71.0]
    assert old.best("rte").test_score == 49.0  # a baseline is no prompt

    migrations.downgrade(engine, "0003")
    migrations.upgrade(engine)
    assert old.find(request.sha) is None
    assert old.best("rte").test_score == 49.0
    with engine.connect() as connection:
        stages = connection.scalars(text("SELECT stage FROM run ORDER BY stage")).all()
    assert stages == ["adapt", "evaluate", "teach"]


def test_four_processes_may_open_a_new_database_at_once(empty_url, tmp_path, python):
    workers = [python(OPEN, empty_url, tmp_path / "locks") for _ in range(4)]

    assert [one.communicate(timeout=60)[0].strip() for one in workers] == ["None"] * 4
    assert [one.returncode for one in workers] == [0] * 4


def test_a_database_of_a_newer_program_is_refused_and_left_alone(url, locks):
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()

    with pytest.raises(migrations.UnknownSchema, match="install the newer prompt-transfer"):
        Lineage.open(url, locks)


def test_sqlite_is_set_up_for_several_processes(sqlite_lineage):
    asked = {}
    with sqlite_lineage.database.reading() as connection:
        for name in ("journal_mode", "busy_timeout", "foreign_keys", "synchronous"):
            asked[name] = connection.scalar(text(f"PRAGMA {name}"))
    full = 2
    assert asked == {
        "journal_mode": "wal", "busy_timeout": 30000, "foreign_keys": 1, "synchronous": full,
    }  # fmt: skip
