"""Questions by the driver alone: the same answers, and nothing made or waited for."""

from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from pipelines.lineage import Lineage
from pipelines.reader import HEAD, plain

COUNT = "SELECT COUNT(*) AS n FROM run WHERE task = :task"


def test_a_question_has_the_same_answer_with_and_without_sqlalchemy(lineage, url, world):
    world.train(lineage, "rte", "p", 60.0)
    found = plain(url)
    assert found.dialect == lineage.database.dialect
    with found.asking() as alone, lineage.database.asking() as pooled:
        assert alone.ask(COUNT, task="rte") == pooled.ask(COUNT, task="rte") == (("n",), [(1,)])
        assert alone.ask(COUNT, task="cb").records() == [{"n": 0}]


def test_who_asks_does_not_wait_for_who_writes_and_sees_one_state(lineage, url, world):
    world.train(lineage, "rte", "p", 60.0)
    with plain(url).asking() as reader:
        with lineage.database.writing() as connection:
            connection.execute(text("UPDATE registration SET model_name = 'other'"))
            before = reader.ask("SELECT model_name FROM registration")
        if reader.dialect == "sqlite":  # PostgreSQL's statements each see what is committed
            assert reader.ask("SELECT model_name FROM registration") == before


def test_values_are_bound_and_a_cast_or_a_percentage_is_no_value(lineage, url):
    with plain(url).asking() as reader:
        said = "SELECT :word || ' 5% a:b' AS said"
        assert reader.ask(said, word="'; DROP TABLE run --").rows == [
            ("'; DROP TABLE run -- 5% a:b",)
        ]
        if reader.dialect == "postgresql":
            assert reader.ask("SELECT :number::int + 1", number=1).rows == [(2,)]


def test_a_database_that_is_not_there_is_not_made(tmp_path):
    assert plain(f"sqlite:///{tmp_path}/none.db") is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"garbage" * 1000])
def test_what_is_no_database_of_ours_is_left_to_who_can_say_so(tmp_path, content):
    Path(tmp_path, "some.db").write_bytes(content)
    assert plain(f"sqlite:///{tmp_path}/some.db") is None


def test_a_name_with_odd_characters_is_found(tmp_path):
    url = f"sqlite:///{tmp_path}/a %41#b.db"
    Lineage.open(url, tmp_path / "locks").close()
    assert plain(url) is not None


def test_older_tables_are_left_to_who_can_upgrade_them(lineage, url):
    with lineage.database.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0005'"))
    assert plain(url) is None
    with lineage.database.writing() as connection:
        connection.execute(text(f"UPDATE alembic_version SET version_num = '{HEAD}'"))
    assert plain(url) is not None


def test_other_urls_are_left_to_sqlalchemy(url):
    assert plain("mysql://somewhere/lineage") is None
    assert plain("sqlite://") is None
    assert make_url(url).get_backend_name() == plain(url).dialect
