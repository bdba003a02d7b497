"""What takes place and is of no use any more: temporary files, checkpoints, lock files."""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from time import time

from sqlalchemy import select

from mpt import files
from pipelines.doctor.finding import DAY, Finding, Home, written_at
from pipelines.locks import Busy, hold
from pipelines.tables import runs


def findings(home: Home) -> Iterator[Finding]:
    """Yield what is left of processes that have ended."""
    yield from _temporary(home)
    yield from _checkpoints(home)
    yield from _locks(home)


def _temporary(home: Home) -> Iterator[Finding]:
    before = time() - DAY
    for folder in home.folders:
        for where, _, names in os.walk(folder):
            home.note(f"store: looking for temporary files in {where}")
            for path in (Path(where, name) for name in names if name.startswith(files.NEW)):
                if written_at(path) < before:
                    what = f"{path} was never finished: the process that wrote it was killed"
                    yield Finding("store", what, "removes it", path.unlink)


def _checkpoints(home: Home) -> Iterator[Finding]:
    for path in _of_requests(home.checkpoints, ".safetensors"):
        if "completed" in _statuses(home, path.stem):
            what = f"{path} is of a training that has ended well"
            yield Finding("runs", what, "removes it", partial(files.remove, path))


def _locks(home: Home) -> Iterator[Finding]:
    count = sum(1 for _ in _idle_locks(home))
    if count:
        what = f"{count} lock files are of runs that have ended more than a day ago"
        yield Finding("runs", what, "removes them", lambda: _remove_locks(home), harmless=True)


def _idle_locks(home: Home) -> Iterator[Path]:
    before = time() - DAY
    for path in _of_requests(home.lineage.locks, ".lock"):
        if written_at(path) < before and "running" not in _statuses(home, path.stem):
            home.note(f"runs: looking for lock files, now {path.name[:12]}")
            yield path


def _remove_locks(home: Home) -> None:
    for path in list(_idle_locks(home)):
        # Held, so that nobody takes it between: who opened it before finds that it is gone.
        with suppress(Busy), hold(home.lineage.database.engine, home.lineage.locks, path.stem):
            path.unlink()


def _of_requests(folder: Path, suffix: str) -> Iterator[Path]:
    """Yield the files that are named after the digest of a request."""
    if not folder.is_dir():
        return
    with os.scandir(folder) as entries:
        for one in entries:
            if re.fullmatch(f"[0-9a-f]{{64}}{re.escape(suffix)}", one.name):
                yield Path(one.path)


def _statuses(home: Home, request_sha: str) -> set[str]:
    query = select(runs.c.status).where(runs.c.request_sha == request_sha)
    with home.lineage.database.reading() as connection:
        return set(connection.scalars(query))
