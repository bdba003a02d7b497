"""Bytes in a folder, each file named by the SHA-256 of its content.

A file is either absent or complete. Nothing is ever changed, so a reader needs no lock.
"""

import os
import re
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from mpt.files import write


class BadDigest(ValueError):
    """A name that is no SHA-256; it never becomes a path."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name!r} is no digest: content is asked for by its 64 hex digits")


class MissingContent(LookupError):
    """The store does not have these bytes."""

    def __init__(self, sha: str, folder: Path) -> None:
        super().__init__(
            f"{sha[:12]} is not in the store {folder}: "
            "open the store that it was made in, or let `prompt-transfer doctor` look for a copy"
        )


class CorruptContent(ValueError):
    """The bytes under a digest no longer have that digest."""

    def __init__(self, path: Path, found: str) -> None:
        super().__init__(
            f"{path} has SHA-256 {found[:12]}, not the one in its name: it was changed after "
            "it was stored; `prompt-transfer doctor` looks for a copy"
        )


class Store:
    """Content-addressed bytes under `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, sha: str) -> Path:
        """Return where the bytes with this digest are, or would be.

        Raises:
            BadDigest: `sha` is not 64 lower-case hex digits.
        """
        if not re.fullmatch("[0-9a-f]{64}", sha):
            raise BadDigest(sha)
        return self.folder / sha[:2] / sha

    def put(self, data: bytes) -> str:
        """Store `data`; return its digest. Atomic, durable, and safe to repeat.

        Raises:
            OSError: the disk is full or cannot be written; no partial file is left.
        """
        sha = sha256(data).hexdigest()
        path = self.path(sha)
        # A file that was corrupted is replaced: that is how running the stage again heals it.
        if not _is_whole(path, sha):
            write(path, data)
        return sha

    def get(self, sha: str) -> bytes:
        """Return the bytes with this digest.

        Raises:
            BadDigest: `sha` is not 64 lower-case hex digits.
            MissingContent: they are not here.
            CorruptContent: the file was changed.
        """
        path = self.path(sha)
        try:
            data = path.read_bytes()
        except FileNotFoundError as error:
            raise MissingContent(sha, self.folder) from error
        found = sha256(data).hexdigest()
        if found != sha:
            raise CorruptContent(path, found)
        return data


def _is_whole(path: Path, sha: str) -> bool:
    """Say whether a file is there as it was; its age begins anew, since somebody needs it."""
    try:
        whole = sha256(path.read_bytes()).hexdigest() == sha
        if whole:
            with suppress(PermissionError):  # of another user; it is there all the same
                os.utime(path)
        return whole
    except FileNotFoundError:
        return False
