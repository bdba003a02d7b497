"""Every revision of the schema, with rows in all of its tables, up to the newest and back."""

from datetime import UTC, datetime

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, insert, inspect, select

from pipelines import migrations
from pipelines.database import connect
from pipelines.indexes import MODELS
from pipelines.lineage import Lineage
from pipelines.registry_tables import registrations

REVISIONS = [one.revision for one in ScriptDirectory(str(migrations.HERE)).walk_revisions()][::-1]
A, B, C, D, E, F = (letter * 64 for letter in "abcdef")
BEGAN, ENDED = datetime(2026, 1, 1, 8, tzinfo=UTC), datetime(2026, 1, 1, 8, 0, 30, 250000, UTC)
RUN = {"status": "completed", "attempt": 1, "seed": 0, "task": "rte", "backbone_sha": B,
       "environment": {"device": "cpu", "threads": 1}, "started_at": BEGAN, "ended_at": ENDED,
       "truncated": 0, "warnings": ["w"], "curve": [[30, 50.0]], "seconds": 30.25,
       "max_steps": 40, "batch_size": 8, "steps": 30}  # fmt: skip
TRAINED = {"spec": {"task": "rte", "steps": 40, "batch_size": 8}, "trained": 9, "losses_sha": E}
PROMPT = {"task": "rte", "tasks": [], "backbone_sha": B, "num_tokens": 5, "hidden_size": 8,
          "bytes": 160, "created_at": ENDED}  # fmt: skip
SCORE = {"dataset_sha": D, "task": "rte", "split": "validation", "method": "prompt", "n": 40,
         "metric": "accuracy", "is_primary": True, "low": 45.0, "high": 55.0}  # fmt: skip
# What the tables held before a revision knew a column is what they hold without it.
ROWS = {
    "artifact": [{"sha": A, "kind": "prompt", "created_at": ENDED},
                 {"sha": C, "kind": "prompt", "created_at": ENDED},
                 {"sha": E, "kind": "losses", "created_at": ENDED},
                 {"sha": F, "kind": "predictions", "created_at": ENDED},
                {"sha": B, "kind": "references", "created_at": ENDED}],
    "template": [{"sha": E, "task": "rte", "definition": {"a": 1}, "created_at": BEGAN}],
    "backbone": [{"sha": B, "name": "nano", "hidden_size": 8, "num_layers": 1, "num_heads": 2,
                  "parameters": 2**40, "architecture": "encoder-decoder", "created_at": BEGAN}],
    "dataset": [{"sha": D, "task": "rte", "split": "validation", "origin": "o", "num_rows": 40,
                 "revision": None, "created_at": BEGAN},
                {"sha": E, "task": "rte", "split": "train", "origin": "o", "num_rows": 40,
                 "revision": "r", "created_at": BEGAN}],
    "draw": [{"of_sha": E, "seed": 2**40, "shots": 4, "per_class": True, "dataset_sha": E}],
    "prompt": [PROMPT | {"sha": A, "kind": "source"}, PROMPT | {"sha": C, "kind": "target"}],
    "run": [RUN | TRAINED | {"id": "1" * 32, "stage": "learn", "request_sha": A},
            RUN | TRAINED | {"id": "2" * 32, "stage": "adapt", "request_sha": B},
            RUN | {"id": "3" * 32, "stage": "evaluate", "request_sha": C, "spec": {},
                   "curve": [], "max_steps": None, "batch_size": None, "steps": None},
            RUN | {"id": "4" * 32, "stage": "adapt", "request_sha": D, "ended_at": None,
                   "status": "running", "spec": {"steps": 40, "batch_size": 8}, "curve": [],
                   "seconds": None, "steps": None},
            RUN | {"id": "5" * 32, "stage": "adapt", "request_sha": D, "attempt": 2,
                   "status": "abandoned", "error": "gone", "curve": [], "seconds": None,
                   "spec": {"steps": 40, "batch_size": 8}, "steps": None}],
    "run_dataset": [{"run_id": "1" * 32, "dataset_sha": E, "role": "train"},
                    {"run_id": "2" * 32, "dataset_sha": D, "role": "validation"}],
    "run_prompt": [{"run_id": "1" * 32, "prompt_sha": A, "role": "made"},
                   {"run_id": "2" * 32, "prompt_sha": C, "role": "made"},
                   {"run_id": "2" * 32, "prompt_sha": A, "role": "source"},
                   {"run_id": "3" * 32, "prompt_sha": C, "role": "evaluated"},
                   {"run_id": "4" * 32, "prompt_sha": A, "role": "source"}],
    "edge": [{"child_sha": C, "parent_sha": A, "role": "adapted_from", "run_id": "2" * 32},
             {"child_sha": F, "parent_sha": C, "role": "evaluated_by", "run_id": "3" * 32}],
    "score": [SCORE | {"id": 1, "run_id": "2" * 32, "prompt_sha": C, "value": 50.0},
              SCORE | {"id": 2, "run_id": "3" * 32, "prompt_sha": C, "value": 49.5,
                       "predictions_sha": F, "references_sha": B, "split": "test"}],
    "registration": [{"prompt_sha": C, "task": "rte", "run_id": "2" * 32, "model_name": "m",
                      "version": 3, "champion": True, "test_run_id": "3" * 32,
                      "standing": "champion", "reserved_at": ENDED, "closed_at": ENDED}],
    "promotion": [{"id": 1, "at": ENDED, "prompt_sha": C, "task": "rte", "move": "promoted",
                   "other_sha": A, "evidence": {"p": 0.5}, "reason": None}],
    "outbox": [{"id": 1, "sink": "registry", "what": "prompt", "subject": C, "asked": 2,
                "asked_at": ENDED, "told_at": None, "attempts": 3, "error": "down"}],
}  # fmt: skip


def tables(engine):
    found = MetaData()
    found.reflect(engine)
    return {one.name: one for one in found.sorted_tables if one.name != "alembic_version"}


def fill(engine):
    """Write `ROWS`, as far as this revision knows them."""
    with engine.begin() as connection:
        found = tables(engine)
        for name, table in found.items():
            rows = [{k: v for k, v in one.items() if k in table.c} for one in ROWS[name]]
            if "outbox" not in found:
                rows = [one for one in rows if one.get("kind") != "references"]
            keys = {key for row in rows for key in row}
            connection.execute(insert(table), [dict.fromkeys(keys) | row for row in rows])


def plain(row):
    """Return a row as text; SQLite's times have no zone, and PostgreSQL's any."""
    return repr([
        value.replace(tzinfo=value.tzinfo or UTC).astimezone(UTC).isoformat()
        if isinstance(value, datetime) else value
        for value in row
    ])  # fmt: skip


def content(engine, wanted):
    """Return all rows, of the columns of the tables in `wanted`."""
    found = tables(engine)
    with engine.connect() as connection:
        return {
            name: sorted(
                map(plain, connection.execute(select(*(found[name].c[one] for one in columns))))
            )
            for name, columns in wanted.items()
        }


@pytest.mark.parametrize("revision", REVISIONS)
def test_rows_of_a_revision_live_through_the_newest_and_back(revision, empty_url, tmp_path):
    engine = connect(empty_url)
    migrations.upgrade(engine, revision)
    with engine.begin() as connection:
        migrations.guards.drop(connection)  # so that runs may be written as they ended
    fill(engine)
    wanted = {name: table.c.keys() for name, table in tables(engine).items()}
    before = content(engine, wanted)
    assert all(before.values())
    # The standing of a registration has a name since 0006.
    staying = {
        name: [one for one in columns if one != "champion"] for name, columns in wanted.items()
    }
    content_before = content(engine, staying)

    migrations.upgrade(engine)
    assert tables(engine).keys() == MODELS.tables.keys()
    after = content(engine, staying)
    for name, told in content_before.items():
        # A prompt that had no place in the registry has got one.
        extra = 1 if name == "registration" and revision < "0006" else 0
        assert len(after[name]) == len(told) + extra
        assert set(told) <= set(after[name])
    with engine.connect() as connection:
        places = connection.execute(
            select(registrations).order_by(registrations.c.prompt_sha)
        ).all()
    assert places[-1].standing == "champion"
    assert places[-1].closed_at is not None
    if revision < "0006":
        assert (places[0].prompt_sha, places[0].standing, places[0].version) == (
            A,
            "candidate",
            None,
        )
        assert places[0].model_name == f"softprompt.nano-{B[:8]}.rte"
    if revision < "0005":
        for name in ("edge", "artifact"):
            columns = list(ROWS[name][0])
            older = [one for one in ROWS[name] if one.get("kind") != "references"]
            told = sorted(plain(one[key] for key in columns) for one in older)
            assert content(engine, {name: columns}) == {name: told}
        known = Lineage(engine, tmp_path)
        done = known.get_run("2" * 32)
        assert (done.max_steps, done.batch_size, done.steps) == (40, 8, 30)
        assert done.seconds == pytest.approx(30.25, abs=1e-3)
        assert [known.get_run(one * 32).seconds for one in "45"] == [None, None]
        assert known.get_prompt(C).kind == "target"

    migrations.downgrade(engine, revision)
    assert content(engine, wanted) == before
    migrations.downgrade(engine)
    assert inspect(engine).get_table_names() == ["alembic_version"]
    engine.dispose()
