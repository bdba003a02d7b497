"""What a recorded run costs beyond its fsyncs.

A run is two transactions: one as it begins, and one with all that it made. It is recorded also over
connections that do not wait for the disk: what that takes is what the run costs beyond its fsyncs.
Beside it stand two bare ones that commit as many bytes, in the same database and through the same
driver. They write few pages, where a run in a large database writes one or more of each index.
"""

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256

from sqlalchemy import Connection, event, text
from sqlalchemy.engine.interfaces import DBAPIConnection

from benchmarks.lineage_timing import Timing, timed
from pipelines.database import Database, connect
from pipelines.lineage import Lineage
from pipelines.recording import MadePrompt, Recording, ScoreInfo
from pipelines.records import (
    BackboneInfo,
    DatasetInfo,
    Environment,
    Request,
    Split,
    TemplateInfo,
)

TASK = "target003"
VERSIONS = {"prompt-transfer": "0.1.0", "torch": "2.13.0", "transformers": "5.2.0"}
BEGUN, MADE = 2_000, 4_000  # bytes of the rows of each transaction
BARE = "bare_commit"


def digest(name: str) -> str:
    """Return a digest for what has none."""
    return sha256(name.encode()).hexdigest()


def rows(task: str, split: Split) -> DatasetInfo:
    """Return a dataset, and what rendered it."""
    template = TemplateInfo(task, {"input": f"{task}: {{sentence}}", "labels": ["no", "yes"]})
    return DatasetInfo(digest(f"{task} {split}"), task, split, "hub", 500, template=template)


def request(name: str, sources: Sequence[str]) -> Request:
    """Return what an adaptation of `sources` asks, with two datasets."""
    return Request(
        stage="adapt",
        sha=digest(name),
        spec={"task": TASK, "steps": 300, "batch_size": 32, "learning_rate": 0.3, "draw": None},
        seed=0,
        task=TASK,
        environment=Environment("cpu", 2, versions=VERSIONS),
        backbone=BackboneInfo(digest("backbone"), "google-t5/t5-base", 768, 12, 12, 222_903_552),
        datasets={"train": [rows(TASK, "train")], "validation": [rows(TASK, "validation")]},
        reads={"source": sources},
    )


def fill_in(run: Recording, asked: Request) -> None:
    """Make what an adaptation makes: a prompt, and three scores."""
    on = asked.datasets["validation"][0]
    run.prompt = MadePrompt(digest(run.id), "target", 100, 768, 307_500, (on.task,), 1)
    first = ScoreInfo(
        on, "accuracy", 61.2, 500, is_primary=True, interval=(56.8, 65.4),
        predictions_sha=digest(f"{run.id} answers"), references_sha=digest(f"{on.sha} right"),
    )  # fmt: skip
    commonest = digest(f"{on.sha} commonest")
    run.scores += [
        first,
        replace(first, metric="f1", is_primary=False),
        replace(first, method="majority", predictions_sha=commonest, is_primary=False),
    ]
    run.losses_sha, run.trained, run.steps = digest(f"{run.id} losses"), 77_668, 300
    run.curve = [(75, 58.0), (150, 60.4), (225, 61.0), (300, 61.2)]


def record(lineage: Lineage, asked: Request) -> Recording:
    """Record a run."""
    with lineage.record(asked) as run:
        fill_in(run, asked)
    return run


def inserting(lineage: Lineage, name: str, times: int) -> dict[str, Timing]:
    """Return how long a recorded run takes, and two bare transactions in turn with it."""
    newest = text("SELECT sha FROM prompt WHERE kind = 'source' LIMIT 1")
    with lineage.database.reading() as connection:
        sources = list(connection.scalars(newest))
    with lineage.database.writing() as connection:
        connection.execute(text(f"CREATE TABLE {BARE} (bytes TEXT)"))
    hasty = unsynced(lineage)
    try:
        return timed(
            {
                "recorded": lambda at: record(lineage, request(f"{name} {at}", sources)),
                "beyond its fsyncs": lambda at: record(hasty, request(f"{name} !{at}", sources)),
                "bare": lambda at: _commit_twice(lineage.database),
                "bare, beyond its fsyncs": lambda at: _commit_twice(hasty.database),
            },
            times,
        )
    finally:
        hasty.close()
        with lineage.database.writing() as connection:
            connection.execute(text(f"DROP TABLE {BARE}"))


def unsynced(lineage: Lineage) -> Lineage:
    """Return the same lineage, over connections that do not wait until the disk has it."""
    engine = connect(lineage.database.engine.url)
    hasty = {"sqlite": "PRAGMA synchronous=OFF", "postgresql": "SET synchronous_commit = off"}

    def set_up(connection: DBAPIConnection, record: object) -> None:
        cursor = connection.cursor()
        cursor.execute(hasty[engine.dialect.name])
        connection.commit()

    event.listen(engine, "connect", set_up)
    return Lineage(engine, lineage.locks)


def _commit_twice(database: Database) -> None:
    for size in (BEGUN, MADE):
        with database.writing() as connection:
            _insert(connection, size)


def _insert(connection: Connection, size: int) -> None:
    connection.execute(text(f"INSERT INTO {BARE} VALUES (:bytes)"), {"bytes": "x" * size})
