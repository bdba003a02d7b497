"""The rows of `benchmarks.lineage_scale` are rows as the program writes them."""

import re
from functools import partial

import pytest
from sqlalchemy import event, inspect, text

from benchmarks.lineage_bulk import fill
from benchmarks.lineage_campaigns import BIG, EASY
from benchmarks.lineage_questions import ancestors
from benchmarks.lineage_rows import COLUMNS
from pipelines import guards
from pipelines.edges import EDGE_OF
from pipelines.indexes import MODELS
from pipelines.lineage import Lineage
from pipelines.statements import statement

RUNS, EDGES = 2_000, 6_000
DERIVED = ", ".join(f"('{role}', '{edge}')" for role, edge in EDGE_OF.items())
SAID = f"""
WITH called (role, edge) AS (VALUES {DERIVED})
SELECT made.prompt_sha, read.prompt_sha, edge, read.run_id
FROM run_prompt AS made JOIN run_prompt AS read ON read.run_id = made.run_id
JOIN called ON called.role = read.role
WHERE made.role = 'made' AND read.role IN ('teacher', 'source', 'front')
UNION
SELECT predictions_sha, prompt_sha, 'evaluated_by', run_id FROM score
WHERE method = 'prompt' AND predictions_sha IS NOT NULL
"""
"""What run_prompt and score say of the edges, but for exports."""


@pytest.fixture(scope="module")
def lineage(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    opened = Lineage.open(f"sqlite:///{folder}/lineage.db", folder)
    fill(opened.database.engine, RUNS, EDGES, seed=1, say=lambda what: None)
    yield opened
    opened.close()


def all_rules(lineage):
    """Every key, rule, index and trigger, as the database tells them."""
    asked = inspect(lineage.database.engine)
    found = {}
    for table in MODELS.tables:
        keys = asked.get_foreign_keys(table)
        found[table] = (
            sorted((one["name"], one["constrained_columns"]) for one in keys),
            sorted((one["name"], one["column_names"]) for one in asked.get_indexes(table)),
            sorted(one["name"] for one in asked.get_unique_constraints(table)),
            asked.get_pk_constraint(table)["constrained_columns"],
        )
    triggers = "SELECT DISTINCT trigger_name FROM information_schema.triggers"
    if lineage.database.engine.dialect.name == "sqlite":
        triggers = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    return found, sorted(rows(lineage, triggers))


def rows(lineage, statement):
    with lineage.database.reading() as connection:
        return [tuple(row) for row in connection.execute(text(statement))]


def counts(lineage):
    return {table: rows(lineage, f"SELECT COUNT(*) FROM {table}")[0][0] for table in COLUMNS}


def test_there_are_as_many_runs_and_edges_as_were_asked_for(lineage):
    found = counts(lineage)
    assert found["run"] == RUNS
    assert found["edge"] == pytest.approx(EDGES, rel=0.25)  # the first rounds have more
    assert all(found.values())


def test_nothing_points_to_nothing_and_all_guards_are_back(lineage, tmp_path):
    assert rows(lineage, "PRAGMA foreign_key_check") == []
    assert rows(lineage, "PRAGMA integrity_check") == [("ok",)]
    untouched = Lineage.open(f"sqlite:///{tmp_path}/lineage.db", tmp_path)
    assert all_rules(lineage) == all_rules(untouched)
    untouched.close()
    assert len(all_rules(lineage)[1]) == len(guards.TOLD) + len(guards.OF_A_RUN) + 1


def test_postgresql_gets_the_same_rows_and_all_rules_back(lineage, postgres_url, tmp_path):
    filled = Lineage.open(postgres_url, tmp_path)
    rules = all_rules(filled)
    fill(filled.database.engine, RUNS, EDGES, seed=1, say=lambda what: None)

    assert counts(filled) == counts(lineage)
    assert all_rules(filled) == rules
    ask = "SELECT * FROM edge ORDER BY child_sha, parent_sha, role, run_id"
    assert rows(filled, ask) == rows(lineage, ask)
    filled.close()


def test_edges_say_what_runs_and_scores_say(lineage):
    edges = "SELECT * FROM edge WHERE role <> 'exported_as'"
    assert sorted(rows(lineage, edges)) == sorted(rows(lineage, SAID))


def test_runs_can_be_read_and_have_what_the_program_would_have_written(lineage):
    for (run_id,) in rows(lineage, "SELECT id FROM run ORDER BY id LIMIT 300"):
        run = lineage.get_run(run_id)
        trained = run.stage in ("teach", "learn", "adapt", "few_shot")
        done = run.status == "completed"
        assert (run.prompt is not None) == (trained and done)
        assert (run.primary("validation") is not None) == (
            (trained or run.stage == "baseline") and done
        )
        assert (run.primary("test") is not None) == (run.stage in ("evaluate", "baseline"))
        assert (run.error is None) == done
        assert any(one.method == "majority" for one in run.scores) == (trained and done)
        if run.prompt:
            assert lineage.version(run.prompt, run.task) is not None
            assert lineage.get_prompt(run.prompt).kind


def test_prompts_have_generations_behind_them_and_one_task_most_prompts(lineage):
    newest = "SELECT sha FROM prompt WHERE kind = 'target' ORDER BY created_at DESC LIMIT 200"
    with lineage.database.reading() as connection:
        deep = [max(ancestors(connection, sha).values()) for (sha,) in rows(lineage, newest)]
    assert max(deep) >= 6
    by_task = rows(
        lineage,
        "SELECT task FROM prompt WHERE task LIKE 'target%' GROUP BY task ORDER BY COUNT(*) DESC",
    )
    assert [task for (task,) in by_task[:2]] == [BIG, EASY]


def steps(lineage, ask):
    """Return how many steps of its machine SQLite takes for an answer, and the answer."""
    taken = []

    def count(connection, *others):
        connection.set_progress_handler(lambda: taken.append(1), 1)

    event.listen(lineage.database.engine, "checkout", count)
    answer = ask()
    event.remove(lineage.database.engine, "checkout", count)
    assert taken
    return len(taken), answer


def test_a_task_that_every_prompt_solves_is_answered_by_as_few_steps_as_another(lineage):
    usual, _ = steps(lineage, lambda: lineage.best(BIG))
    taken, best = steps(lineage, lambda: lineage.best(EASY))
    assert best.score == 100.0
    assert taken < 1.5 * usual


def test_the_best_of_all_tasks_takes_no_more_steps_than_one_after_another(lineage):
    taken, found = steps(lineage, lineage.best_of_all)
    alone = [steps(lineage, partial(lineage.best, one.task)) for one in found]
    assert [best for _, best in alone] == found
    assert taken < 1.2 * sum(few for few, _ in alone)


@pytest.mark.parametrize("name", ["ancestry", "descent"])
def test_what_is_asked_of_one_thing_reads_no_large_table_whole(lineage, name):
    with lineage.database.reading() as connection:
        plan = connection.execute(text(f"EXPLAIN QUERY PLAN {statement(name)}"), {"id": "0"}).all()
    large = r"SCAN (run|later|earlier|score|edge|artifact|prompt|run_prompt|run_dataset|read)\b"
    own = {"SCAN read"}  # what a statement has collected before
    assert not [step for *_, step in plan if re.match(large, step) and step not in own]
