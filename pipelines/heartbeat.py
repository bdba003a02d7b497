"""Signs of life of runs, and what becomes of those that give none."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event, Thread

from sqlalchemy import func, select, update
from sqlalchemy.exc import SQLAlchemyError

from pipelines import outbox, rows
from pipelines.columns import now
from pipelines.database import Database
from pipelines.locks import Busy, hold, is_held
from pipelines.outbox import Sink
from pipelines.recording import Recording
from pipelines.tables import runs

logger = logging.getLogger(__name__)

HEARTBEAT = 30.0  # seconds between two signs of life
SILENT = 300.0  # seconds without one after which a run may be given up
LAST_WORD = 1.0  # seconds that an ended run waits for a sign that is being written
GONE = "its process ended without a word"


@contextmanager
def beating(database: Database, run: Recording, every: float) -> Iterator[None]:
    """Write a sign of life of `run` every so many seconds while the block runs."""
    done = Event()
    # A daemon: a thread that waits for a locked database must not keep a process from ending.
    thread = Thread(target=_beat, args=(database, run, every, done), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(LAST_WORD)


def _beat(database: Database, run: Recording, every: float, done: Event) -> None:
    while not done.wait(every):
        try:
            alive = _sign(database, run)
        except SQLAlchemyError:
            logger.warning("no sign of life of run %s", run.id[:12], exc_info=True)
            continue
        if not alive and not done.is_set():
            logger.warning("run %s was given up by another process", run.id[:12])
            return


def _sign(database: Database, run: Recording) -> bool:
    mine = update(runs).where(runs.c.id == run.id, runs.c.status == "running")
    living = mine.values(heartbeat_at=now(), seconds=run.seconds)
    with database.writing() as connection:
        return connection.scalar(living.returning(runs.c.id)) is not None


@dataclass(frozen=True)
class Silent:
    """A running run that has given no sign of life for long."""

    id: str
    request_sha: str
    stage: str
    task: str
    seen: datetime


def silent_runs(database: Database, locks: Path, silent: float) -> list[Silent]:
    """Return the running runs that nobody works on, oldest first; see `Lineage.reap`."""
    seen = func.coalesce(runs.c.heartbeat_at, runs.c.started_at)
    suspect = (
        select(runs.c.id, runs.c.request_sha, runs.c.stage, runs.c.task, seen)
        .where(runs.c.status == "running", seen < now() - timedelta(seconds=silent))
        .order_by(runs.c.started_at, runs.c.id)
    )
    with database.reading() as connection:
        found = [Silent(*row) for row in connection.execute(suspect)]
    # Who is only slow to say that it lives holds its lock.
    return [one for one in found if not is_held(database.engine, locks, one.request_sha)]


def give_up(database: Database, locks: Path, run: Silent, sinks: Sequence[Sink]) -> bool:
    """End a run that nobody works on; say whether it was still so."""
    mine = runs.c.id == run.id
    try:
        with hold(database.engine, locks, run.request_sha), database.writing() as connection:
            ended = rows.close(connection, mine, "abandoned", GONE)
            outbox.ask_all(connection, [(one, "end", run_id) for run_id in ended for one in sinks])
            return bool(ended)
    except Busy:
        return False
