"""Locks that die with their holder, so that a killed process never blocks the next one."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from pathlib import Path

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

POLL = 0.1  # seconds between two tries for a lock


class Busy(Exception):
    """Another process is at it; waiting cures this."""

    def __init__(self, what: str) -> None:
        super().__init__(f"another process is busy with {what}: wait for it, then try again")


@contextmanager
def hold(engine: Engine, folder: Path, name: str, wait: float = 0.0) -> Iterator[None]:
    """Hold the lock `name` while the block runs.

    On this machine it is a flock on `folder/name.lock`. Where the database is PostgreSQL, other
    machines may share it, so its own advisory lock is held as well.

    Args:
        engine: the database that all holders share.
        folder: where the lock files are.
        name: what is locked; only names of our own making, since it becomes a file name.
        wait: seconds to wait for another holder.

    Raises:
        Busy: somebody else holds it still.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _try_until(time.monotonic() + wait, name, partial(_flock, descriptor))
        with _advisory(engine, name, wait):
            yield
    finally:
        os.close(descriptor)  # which lets go of the lock, as the end of a process does


def is_held(engine: Engine, folder: Path, name: str) -> bool:
    """Say whether somebody holds the lock `name` now; no file is made."""
    there = (folder / f"{name}.lock").exists()
    try:
        with hold(engine, folder, name) if there else _advisory(engine, name, 0.0):
            return False
    except Busy:
        return True


def _try_until(deadline: float, name: str, attempt: Callable[[], bool]) -> None:
    while not attempt():
        if time.monotonic() >= deadline:
            raise Busy(name)
        time.sleep(POLL)


def _flock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _advisory(engine: Engine, name: str, wait: float) -> Iterator[None]:
    if engine.dialect.name != "postgresql":
        yield
        return
    key = int.from_bytes(sha256(name.encode()).digest()[:8], "big", signed=True)
    ask = "SELECT pg_try_advisory_lock(%s)"
    deadline = time.monotonic() + wait
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        try:
            _try_until(
                deadline, name, lambda: bool(connection.exec_driver_sql(ask, (key,)).scalar())
            )
            yield
        finally:
            _let_go(connection)


def _let_go(connection: Connection) -> None:
    """Give up the lock that a connection holds, if any: who uses it next must not have it."""
    try:
        connection.exec_driver_sql("SELECT pg_advisory_unlock_all()")
    except SQLAlchemyError:
        connection.invalidate()  # it is broken, and closing it lets go too
