"""The lineage database: on SQLite and PostgreSQL."""

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import text

from pipelines import migrations
from pipelines.database import connect
from pipelines.doctor.examination import examine
from pipelines.doctor.finding import Finding, Home, Skipped
from pipelines.doctor.schema import absent
from pipelines.lineage import Lineage
from pipelines.registry import Registry
from pipelines.store import Store


class Case:
    """A database to break, and what is then found in it."""

    def __init__(self, url, folder):
        self.engine = connect(url)
        self.lineage = Lineage(self.engine, folder / "locks")
        nowhere = f"sqlite:///{folder}/mlflow.db"
        registry = Registry(self.lineage, Store(folder / "store"), nowhere, folder / "mlflow")
        self.home = Home(self.lineage, registry, folder / "checkpoints", [], {}, lambda said: None)

    def sql(self, *statements):
        with self.lineage.database.writing() as connection:
            for one in statements:
                connection.execute(text(one))

    def examine(self):
        found = [one for one in examine(self.home) if not isinstance(one, Skipped)]
        return [one for one in found if not one.harmless]

    def state(self):
        """The whole schema, and the rows of one table."""
        query = {
            "sqlite": "SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_master",
            "postgresql": "SELECT concat(table_name, column_name) FROM information_schema.columns"
            " WHERE table_schema = 'public' UNION SELECT indexdef FROM pg_indexes UNION"
            " SELECT concat(tgname, tgenabled, tgrelid) FROM pg_trigger WHERE NOT tgisinternal",
        }[self.engine.dialect.name]
        with self.engine.connect() as connection:
            return sorted(connection.scalars(text(query)))

    def heal(self):
        """Find, repair, find no more; return what was found."""
        before = self.state()
        found = self.examine()
        assert self.state() == before
        assert found
        for one in examine(self.home):
            if isinstance(one, Finding) and one.mend:
                one.mend()
        assert self.examine() == []
        return [one.what for one in found]

    def stuck(self):
        """Find what cannot be repaired; return it with what to do."""
        before = self.state()
        found = list(examine(self.home))
        assert not any(isinstance(one, Finding) and one.mend for one in found)
        assert self.state() == before
        return [(one.what, one.remedy) for one in found if isinstance(one, Finding)]


@pytest.fixture
def case(url, tmp_path):
    one = Case(url, tmp_path)
    yield one
    one.engine.dispose()


@pytest.fixture
def sqlite(sqlite_url, tmp_path):
    one = Case(sqlite_url, tmp_path)
    yield one
    one.engine.dispose()


def test_nothing_is_wrong_with_new_tables(case):
    assert case.examine() == []


def test_tables_that_are_not_there_or_old_are_migrated(empty_url, tmp_path):
    case = Case(empty_url, tmp_path)
    (what,) = case.heal()
    assert what.endswith("has no tables; 0006 is needed")
    migrations.downgrade(case.engine, "0004")
    (what,) = case.heal()
    assert what.endswith("has schema 0004; 0006 is needed")
    case.engine.dispose()


def test_in_a_database_that_is_not_migrated_nothing_else_is_looked_at(case):
    migrations.downgrade(case.engine, "0005")
    *_, last = examine(case.home)
    assert last == Skipped("the rest", "lineage cannot be asked before its schema is mended")


def test_a_newer_database_is_left_alone(case):
    case.sql("UPDATE alembic_version SET version_num = '9999'")
    ((what, remedy),) = case.stuck()
    assert "has schema 9999; 0006 is known" in what
    assert remedy == "install the newer prompt-transfer that made it"


def test_an_index_that_was_dropped_is_made_anew(case):
    case.sql("DROP INDEX uq_run_active_request", "DROP INDEX ix_score_best")
    assert case.heal() == [
        "the index uq_run_active_request of run is missing or differs",
        "the index ix_score_best of score is missing or differs",
    ]


def test_an_index_that_says_something_else_is_made_anew(case):
    case.sql("DROP INDEX ix_run_task", "CREATE INDEX ix_run_task ON run (seed)")
    assert case.heal() == ["the index ix_run_task of run is missing or differs"]


def test_an_index_of_ones_own_is_no_harm(case):
    case.sql("CREATE INDEX my_own ON run (seed)")
    assert case.examine() == []
    (found,) = [one for one in examine(case.home) if isinstance(one, Finding)]
    assert (found.harmless, found.remedy) == (True, "leave it, if it is yours")


def test_a_table_or_a_column_that_is_lost_is_named(case):
    case.sql("DROP TABLE score", "ALTER TABLE outbox DROP COLUMN error")
    assert case.stuck() == [
        ("the column outbox.error is missing", "put the database back from a backup"),
        ("the table score is missing", "put the database back from a backup"),
    ]


def test_a_column_that_was_added_is_named(case):
    case.sql("ALTER TABLE run ADD COLUMN mine TEXT")
    assert case.stuck() == [
        (
            "the column run.mine is not as it was made (remove_column)",
            "it was changed by hand: change it back",
        )
    ]


def test_tables_of_other_programs_are_theirs(case):
    case.sql("CREATE TABLE theirs (id INTEGER)")
    assert case.examine() == []


def test_a_guard_that_is_missing_off_or_another_is_made_anew(case):
    is_sqlite = case.engine.dialect.name == "sqlite"
    case.sql("DROP TRIGGER guard_told_score" + ("" if is_sqlite else " ON score"))
    if is_sqlite:
        case.sql(
            "DROP TRIGGER guard_ended_run",
            "CREATE TRIGGER guard_ended_run BEFORE UPDATE ON run BEGIN SELECT 1; END",
        )
    else:
        case.sql("ALTER TABLE run DISABLE TRIGGER guard_ended_run")
    assert case.heal() == [
        "triggers that protect what was told are missing or differ: "
        "guard_told_score, guard_ended_run"
    ]


def test_a_function_of_postgresql_that_lets_all_through_is_made_anew(postgres_url, tmp_path):
    case = Case(postgres_url, tmp_path)
    case.sql(
        "CREATE OR REPLACE FUNCTION guard_ended() RETURNS trigger LANGUAGE plpgsql"
        " AS $$BEGIN RETURN NEW; END$$"
    )
    assert case.heal() == [
        "triggers that protect what was told are missing or differ: guard_ended_run"
    ]
    case.engine.dispose()


def test_a_trigger_that_is_not_ours_is_named(sqlite):
    sqlite.sql("CREATE TRIGGER theirs AFTER INSERT ON run BEGIN SELECT 1; END")
    ((what, remedy),) = sqlite.stuck()
    assert what == "triggers on our tables that are not ours: theirs"
    assert remedy.startswith("drop them")


def test_sqlite_without_its_log_gets_it_back(sqlite):
    sqlite.engine.dispose()
    path = sqlite.engine.url.database
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    connection.close()
    (what,) = sqlite.heal()
    assert what.endswith("has journal_mode delete: readers and writers wait for another")


def test_a_row_that_points_to_nothing_is_named(sqlite, world):
    world.train(sqlite.lineage, "rte", "p", 60.0)
    sqlite.engine.dispose()
    with sqlite3.connect(sqlite.engine.url.database) as connection:
        connection.execute("DELETE FROM backbone")
    connection.close()
    found = sqlite.stuck()
    assert ("row 1 of prompt points to a row of backbone that is not there") in dict(found)
    assert all("foreign keys were switched off" in remedy for _, remedy in found)


def test_a_file_whose_bytes_were_flipped_is_named(sqlite, world):
    for number in range(40):
        world.train(sqlite.lineage, f"task{number}", "p", 60.0)
    sqlite.engine.dispose()
    path = Path(sqlite.engine.url.database)
    page, data = 4096, bytearray(path.read_bytes())
    for number in range(20, len(data) // page):  # all but the schema
        data[number * page : number * page + 8] = b"\xff" * 8
    path.write_bytes(data)

    found = list(examine(sqlite.home))
    assert any("damaged" in one.what or "cannot be read" in one.what for one in found[:1])
    assert "backup" in found[0].remedy
    assert isinstance(found[-1], Skipped)


def test_a_file_that_is_no_database_is_named(tmp_path):
    (tmp_path / "lineage.db").write_text("this is not a database, but a long enough text " * 20)
    case = Case(f"sqlite:///{tmp_path}/lineage.db", tmp_path)
    first, last = examine(case.home)
    assert "cannot be read (file is not a database)" in first.what
    assert isinstance(last, Skipped)


def test_a_database_that_nobody_serves_is_named(tmp_path):
    case = Case("postgresql://me:secret@127.0.0.1:9/lineage", tmp_path)
    first, _ = examine(case.home)
    assert "lineage cannot be read" in first.what
    assert "secret" not in first.what


def test_without_a_database_none_is_made(tmp_path):
    url = f"sqlite:///{tmp_path}/home/lineage.db"
    assert isinstance(absent(url, tmp_path / "home" / "store"), Skipped)
    Store(tmp_path / "home" / "store").put(b"a prompt")
    found = absent(url, tmp_path / "home" / "store")
    assert "a store with the prompts of one" in found.what
    assert found.mend is None
    assert not (tmp_path / "home" / "lineage.db").exists()
