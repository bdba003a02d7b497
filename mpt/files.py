"""Files that are there whole or not at all, also after a crash or a power cut."""

import os
from contextlib import suppress
from pathlib import Path
from tempfile import mkstemp

NEW = ".new-"
"""What the name of a file that is being written begins with."""


def write(path: Path, data: bytes) -> None:
    """Write a whole file or none: a new file beside it, synced, takes its name.

    The folder is made if it is not there.
    """
    if not path.parent.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True)
        _sync(path.parent.parent)
    handle, name = mkstemp(dir=path.parent, prefix=_new(path))
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(name)
        raise
    _sync(path.parent)


def remove(path: Path) -> None:
    """Delete the file, if there is one, and what a killed `write` of it has left."""
    for one in (path, *path.parent.glob(f"{_new(path)}*")):
        one.unlink(missing_ok=True)


def _new(path: Path) -> str:
    return f"{NEW}{path.name}-"


def _sync(folder: Path) -> None:
    """Make the names in `folder` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
