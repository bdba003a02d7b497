"""Bytes in a folder or an object store, each file named by the SHA-256 of its content.

A file is either absent or complete. Nothing is ever changed, so a reader needs no lock.
"""

import re
from hashlib import sha256
from pathlib import Path

from pipelines.places import Folder, Place


class BadDigest(ValueError):
    """A name that is no SHA-256; it never becomes a path."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name!r} is no digest: content is asked for by its 64 hex digits")


class MissingContent(LookupError):
    """The store does not have these bytes."""

    def __init__(self, sha: str, place: Place) -> None:
        super().__init__(
            f"{sha[:12]} is not in the store {place}: "
            "open the store that it was made in, or let `prompt-transfer doctor` look for a copy"
        )


class CorruptContent(ValueError):
    """The bytes under a digest no longer have that digest."""

    def __init__(self, place: Place, name: str, found: str) -> None:
        super().__init__(
            f"{place}/{name} has SHA-256 {found[:12]}, not the one in its name: it was changed "
            "after it was stored; `prompt-transfer doctor` looks for a copy"
        )


class Store:
    """Content-addressed bytes in a folder, or in another place."""

    def __init__(self, place: Path | Place) -> None:
        self.place = Folder(place) if isinstance(place, Path) else place

    def put(self, data: bytes) -> str:
        """Store `data`; return its digest. Atomic, durable, and safe to repeat.

        Raises:
            OSError: the disk is full or cannot be written; no partial file is left.
            StoreDown: the object store cannot be written.
        """
        sha = sha256(data).hexdigest()
        try:
            self.get(sha)
        except (MissingContent, CorruptContent):
            # One that was corrupted is replaced: that is how running the stage again heals it.
            self.place.write(name_of(sha), data)
        else:
            self.place.renew(name_of(sha))
        return sha

    def get(self, sha: str) -> bytes:
        """Return the bytes with this digest.

        Raises:
            BadDigest: `sha` is not 64 lower-case hex digits.
            MissingContent: they are not here.
            CorruptContent: the file was changed.
            StoreDown: the object store cannot be read.
        """
        name = name_of(sha)
        try:
            data = self.place.read(name)
        except FileNotFoundError as error:
            raise MissingContent(sha, self.place) from error
        found = sha256(data).hexdigest()
        if found != sha:
            raise CorruptContent(self.place, name, found)
        return data


def name_of(sha: str) -> str:
    """Return the name of the file with this digest; nothing else ever becomes a path.

    Raises:
        BadDigest: `sha` is not 64 lower-case hex digits.
    """
    if not re.fullmatch("[0-9a-f]{64}", sha):
        raise BadDigest(sha)
    return f"{sha[:2]}/{sha}"
