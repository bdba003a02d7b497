"""What is up: a file that other commands of the same home find addresses and passwords in.

It counts as long as one of the servers lives: each of them holds a lock that it inherited, which
the kernel lets go of when the last of them ends, however it ends.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from flows.servers.keys import write_private


class AlreadyUp(Exception):
    """A second `up` in the same home."""

    try_again = True

    def __init__(self, home: Path) -> None:
        known = read(home)
        where = " and ".join(known.addresses.values()) if known else ""
        how = f", or `kill {known.pid}`" if known else ""
        super().__init__(
            f"{home} is up already ({where or 'it is just starting'}): stop it by Ctrl-C where it "
            f"runs{how}, then try again"
        )


@dataclass(frozen=True)
class Record:
    """What `up` tells other commands."""

    pid: int
    """Of `up` itself."""
    programs: dict[str, int]
    """The process of each of its programs, by name."""
    addresses: dict[str, str]
    """Empty until all is healthy."""
    environment: dict[str, str]
    """In which a command talks to the servers, with their passwords; empty until all is healthy."""


def folder(home: Path) -> Path:
    """Return where all files of the servers of a home are."""
    return home / "servers"


def read(home: Path) -> Record | None:
    """Return what is up in `home`; None where nothing is, whatever the file says."""
    try:
        known = Record(**json.loads((folder(home) / "servers.json").read_text()))
    except (OSError, ValueError, TypeError):  # no file, or another version's
        return None
    return known if is_held(folder(home) / "servers.lock") else None


def write(home: Path, record: Record) -> None:
    """Tell other commands."""
    write_private(folder(home) / "servers.json", json.dumps(asdict(record), indent=2))


def remove(home: Path) -> None:
    """Nothing is up any more."""
    (folder(home) / "servers.json").unlink(missing_ok=True)


def join(home: Path) -> None:
    """Make this process a client of what is up in `home`; what is set already wins."""
    known = read(home)
    if known is None:
        return
    given = dict(known.environment)
    # The password of one server is nothing to send to another.
    if "PREFECT_API_URL" in os.environ:
        given.pop("PREFECT_API_AUTH_STRING", None)
    if os.environ.get("PROMPT_TRANSFER_MLFLOW_URL"):
        given.pop("MLFLOW_TRACKING_USERNAME", None)
        given.pop("MLFLOW_TRACKING_PASSWORD", None)
    for name, value in given.items():
        if not os.environ.get(name):
            os.environ[name] = value


def is_held(lock: Path) -> bool:
    """Say whether somebody holds a lock."""
    try:
        descriptor = os.open(lock, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        # Shared, so that two who ask do not see each other.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


@contextmanager
def held(lock: Path) -> Iterator[int | None]:
    """Hold a lock while the block runs; yield its descriptor, or None if another holds it."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)
