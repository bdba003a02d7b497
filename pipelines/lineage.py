"""Lineage: what was asked, what was made, out of what, and how good it is.

A run is opened before its work starts, so that a killed worker leaves a trace, and is closed in
one transaction with all that it made. A retry is a new run.
"""

import logging
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from pipelines import ancestry, best, lookup, outbox, registration, rows
from pipelines.best import ALL, Best, Wanted
from pipelines.database import Database, connect, migrate
from pipelines.heartbeat import GONE, HEARTBEAT, SILENT, beating, give_up, silent_runs
from pipelines.insertion import together
from pipelines.locks import Busy, hold
from pipelines.outbox import Sink, What
from pipelines.recording import Recording
from pipelines.records import PromptRecord, Request, RunRecord
from pipelines.tables import runs

logger = logging.getLogger(__name__)

ERROR_LENGTH = 1000  # characters of an error that are kept
PROMPTLESS = ("baseline", "evaluate", "export")  # stages that make no prompt


class NothingMade(Exception):
    """A training stage ended without a prompt; recording it would hide that for ever."""

    def __init__(self, stage: str) -> None:
        super().__init__(f"the {stage} run made no prompt: set `run.prompt` before it ends")


class Overtaken(Exception):
    """A run's row was closed by somebody else while it was still working."""

    def __init__(self, run_id: str) -> None:
        super().__init__(
            f"run {run_id[:12]} was given up by another process, so its result is not recorded: "
            "look for a second program that uses this database with another lock folder"
        )


class Lineage:
    """The lineage database, and the lock files of its runs.

    Args:
        engine: the database.
        locks: a folder for lock files, shared by all processes of this machine.
        heartbeat: seconds between two signs of life of a run.
        sinks: who is to be told that runs begin and end.
    """

    def __init__(
        self,
        engine: Engine,
        locks: Path,
        heartbeat: float = HEARTBEAT,
        sinks: Sequence[Sink] = (),
    ) -> None:
        self.database = Database(engine)
        self.locks = locks
        self.heartbeat = heartbeat
        self.sinks = sinks

    @classmethod
    def open(cls, url: str, locks: Path, sinks: Sequence[Sink] = ()) -> Self:
        """Open the database at `url`; create or upgrade its tables where that is needed.

        Args:
            url: of SQLAlchemy: `sqlite:///file` or `postgresql://...`.
            locks: a folder for lock files, shared by all processes of this machine.
            sinks: who is to be told that runs begin and end.
        """
        engine = connect(url)
        migrate(engine, locks)
        return cls(engine, locks, sinks=sinks)

    def close(self) -> None:
        """Close all connections."""
        self.database.engine.dispose()

    def find(self, request_sha: str) -> RunRecord | None:
        """Return the run that has completed this request, if there is one."""
        done = select(runs).where(runs.c.request_sha == request_sha, runs.c.status == "completed")
        with self.database.reading() as connection:
            run = connection.execute(done).one_or_none()
            return lookup.run_record(connection, run) if run else None

    @contextmanager
    def record(self, request: Request) -> Iterator[Recording]:
        """Open a run; close it as completed, or as failed and let the exception through.

        All that the run made is written in the transaction that completes it.

        Raises:
            Busy: the same request is running, or has just been completed.
            UnknownId: `request.reads` names a prompt that lineage does not know.
        """
        with hold(self.database.engine, self.locks, request.sha):
            run = self._begin(request)
            try:
                with beating(self.database, run, self.heartbeat):
                    yield run
                self._complete(request, run)
            except BaseException as error:
                self._fail(run, error)
                raise

    def reap(self, silent: float = SILENT) -> list[str]:
        """Give up the running runs that nobody works on; return their ids, oldest first.

        A run is given up if its process has been silent for `silent` seconds and nobody holds its
        lock. Another machine's lock is seen on PostgreSQL only: with SQLite on a shared disk, its
        heartbeat alone says that it lives.
        """
        return [
            one.id
            for one in silent_runs(self.database, self.locks, silent)
            if give_up(self.database, self.locks, one, self.sinks)
        ]

    def get_run(self, run_id: str) -> RunRecord:
        """Return a run by its id, or by the first 6 or more digits of it.

        Raises:
            UnknownId: no run has it, or several have.
        """
        with self.database.reading() as connection:
            return lookup.run_record(connection, lookup.find_run(connection, run_id))

    def get_prompt(self, sha: str) -> PromptRecord:
        """Return a prompt by its digest, or by the first 6 or more digits of it.

        Raises:
            UnknownId: no prompt has it, or several have.
        """
        with self.database.reading() as connection:
            return lookup.prompt_record(connection, lookup.find_prompt(connection, sha))

    def ancestry(self, any_id: str) -> ancestry.Node:
        """Return the tree of all that a prompt, or a run, was made from.

        Raises:
            UnknownId: no prompt or run has this id, or several have.
        """
        with self.database.asking() as reader:
            return ancestry.tree(reader, any_id)

    def best(self, task: str, wanted: Wanted = ALL) -> Best | None:
        """Return the prompt for `task` with the best validation score."""
        with self.database.asking() as reader:
            return next(iter(best.ranking(reader, task, wanted)), None)

    def best_of_all(self, wanted: Wanted = ALL) -> list[Best]:
        """Return the best prompt for each task that has any, in the order of their names."""
        with self.database.asking() as reader:
            return best.best_of_all(reader, wanted)

    def version(self, prompt_sha: str, task: str) -> str:
        """Return `name/version` of a prompt in the model registry; empty if it is not there."""
        with self.database.reading() as connection:
            return registration.version_of(connection, prompt_sha, task)

    def _begin(self, request: Request) -> Recording:
        with self.database.writing() as connection:
            earlier = dict(rows.attempts(connection, request.sha))
            if "completed" in earlier.values():
                raise Busy(f"request {request.sha[:12]}, and has just completed it")
            dead: list[str] = []
            if "running" in earlier.values():
                # We hold the lock of this request, so whoever opened that run is dead.
                mine = runs.c.request_sha == request.sha
                dead = rows.close(connection, mine, "abandoned", GONE)
            reads = rows.find_reads(connection, request)
            run = Recording(uuid.uuid4().hex, 1 + max(earlier, default=0), reads)
            with together(connection):
                rows.add_request(connection, request, run)
                self._tell(connection, "end", dead)
                self._tell(connection, "start", [run.id])
        return run

    def _complete(self, request: Request, run: Recording) -> None:
        if run.prompt is None and request.stage not in PROMPTLESS:
            raise NothingMade(request.stage)
        try:
            with self.database.writing() as connection:
                rows.complete(connection, request, run, self.sinks)
        except IntegrityError as error:  # the database lets nobody add to a run that has ended
            with self.database.reading() as connection:
                if rows.is_running(connection, run):
                    raise
            raise Overtaken(run.id) from error

    def _fail(self, run: Recording, error: BaseException) -> None:
        line = " ".join(f"{type(error).__name__}: {error}".split())[:ERROR_LENGTH]
        try:
            with self.database.writing() as connection:
                mine = runs.c.id == run.id
                ended = rows.close(connection, mine, "failed", line, seconds=run.seconds)
                self._tell(connection, "end", ended)
        except SQLAlchemyError:
            # The next attempt will mark it abandoned; the error that counts is the first one.
            logger.warning("could not record that run %s failed", run.id[:12], exc_info=True)

    def _tell(self, connection: Connection, what: What, run_ids: Sequence[str]) -> None:
        outbox.ask_all(connection, [(one, what, id_) for one in self.sinks for id_ in run_ids])
