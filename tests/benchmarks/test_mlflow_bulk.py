"""What is written to MLflow's database in bulk is what publishing leaves there."""

import re
import shutil

import pytest
import torch
from mlflow import MlflowClient
from sqlalchemy import create_engine, inspect, text

from benchmarks.mlflow_bulk import fill
from mpt.peft_format import pack
from mpt.prompt import SoftPrompt
from pipelines import registration, standing
from pipelines.recording import MadePrompt, ScoreInfo
from pipelines.records import BackboneInfo, DatasetInfo, Environment, Request
from pipelines.registry import Registry
from pipelines.standing import Decision

BACKBONE = BackboneInfo("b" * 64, "google/nano-t5", 8, 2, 2, parameters=100)
MADE_UP = re.compile(r"m-[0-9a-f]{32}|[0-9a-f]{32}(?![0-9a-f])|\d{13}")
"""Ids and moments, which differ each time."""


def record(svc, task, number, value, draw=None):
    rows = {
        split: [DatasetInfo(f"{at}" * 64, task, split, "generated", 40)]
        for at, split in enumerate(("train", "validation", "test"))
    }
    data = pack(SoftPrompt(torch.full((5, 8), float(number))))
    sha = svc.store.put(data)
    asked = Request(
        "adapt", f"{number:064x}", {"task": task, "steps": 3, "draw": draw}, 0, task,
        Environment("cpu", 1), BACKBONE, rows,
    )  # fmt: skip
    with svc.lineage.record(asked) as run:
        run.prompt = MadePrompt(sha, "target", 5, 8, len(data))
        first = ScoreInfo(rows["validation"][0], "accuracy", value, 40, True, interval=(9.0, 99.0))
        run.scores += [first, ScoreInfo(rows["validation"][0], "f1", value / 2, 40)]
        run.curve, run.trained = [(1, value / 2), (3, value)], 40
    asked = Request(
        "evaluate", f"{number + 1000:064x}", {}, 0, task, Environment("cpu", 1), BACKBONE,
        reads={"evaluated": [sha]},
    )  # fmt: skip
    with svc.lineage.record(asked) as run:
        test = ScoreInfo(rows["test"][0], "accuracy", value + 1, 40, True, interval=(8.0, 98.0))
        run.scores.append(test)
    return sha


def dumped(uri, artifacts):
    """Return all rows of MLflow's database, without what is made up."""
    engine = create_engine(uri)
    found = {}
    with engine.connect() as connection:
        for table in inspect(engine).get_table_names():
            rows = connection.execute(text(f'SELECT * FROM "{table}"')).mappings()
            plain = (str(sorted(dict(row).items())).replace(artifacts, "") for row in rows)
            found[table] = sorted(MADE_UP.sub("-", row) for row in plain)
    engine.dispose()
    return found


@pytest.fixture
def registry_at(svc, tmp_path, mlflow_tables):
    """Open an empty registry of its own."""

    def open_(name):
        (tmp_path / name).mkdir()
        shutil.copy(mlflow_tables, tmp_path / name / "mlflow.db")
        uri = f"sqlite:///{tmp_path}/{name}/mlflow.db"
        return uri, Registry(svc.lineage, svc.store, uri, tmp_path / "files")

    return open_


def test_rows_in_bulk_are_those_that_publishing_leaves(svc, registry_at, tmp_path):
    first = record(svc, "rte", 1, 70.0)
    record(svc, "rte", 2, 60.5, draw={"shots": 8, "seed": 1})
    record(svc, "cb", 3, 50.0)
    with svc.lineage.database.writing() as connection:
        (one,) = registration.candidates(connection, first)
        standing.stand(connection, one, "champion", Decision("forced", reason="a test"))
    uri, published = registry_at("published")
    assert len(published.publish_pending().told) == 3

    other, registry = registry_at("bulk")
    experiment = MlflowClient(other, other).create_experiment(
        "prompt-transfer", (tmp_path / "files").as_uri()
    )
    engine = create_engine(other)
    assert fill(svc.lineage, engine, experiment, (tmp_path / "files").as_uri()) == 3
    engine.dispose()

    theirs, ours = dumped(uri, str(tmp_path)), dumped(other, str(tmp_path))
    assert {table: ours[table] for table in theirs} == theirs
    assert registry.best("rte") == published.best("rte") == svc.lineage.best("rte")
