"""Where bytes are kept by name: a folder, or an object store by its URL.

What is written is there whole or not at all: a folder by `mpt.files`, an object store by itself.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from mpt import files

ATOMIC = ("memory", "s3")  # fsspec's systems in which one put shows all of an object or none


class BadStoreUrl(ValueError):
    """A URL of no store that we can write to safely."""

    def __init__(self, url: str, why: str) -> None:
        super().__init__(
            f"{url!r} cannot be a store ({why}): give a folder, file:///path or s3://bucket/path, "
            "and install prompt-transfer[s3]"
        )


class StoreDown(ConnectionError):
    """An object store does not answer, or refuses. A `ConnectionError`: waiting may cure it."""

    try_again = True

    def __init__(self, url: str, reason: Exception) -> None:
        line = str(reason).partition("\n")[0]
        super().__init__(
            f"the store {url} failed ({type(reason).__name__}: {line}): see that it is up and that "
            "this process may use it, and try again"
        )


class Place(Protocol):
    """Bytes by name; a name is of our own making, with "/" between folders."""

    def read(self, name: str) -> bytes:
        """Return the bytes under `name`.

        Raises:
            FileNotFoundError: there are none.
        """

    def write(self, name: str, data: bytes) -> None:
        """Put all of `data` under `name`, or, if that fails, leave what was there."""

    def renew(self, name: str) -> None:
        """Let the age of what is under `name` begin anew: somebody needs it."""

    def remove(self, name: str) -> None:
        """Delete what is under `name`, if anything is."""


class Folder:
    """A folder of this machine, or one that is mounted."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __str__(self) -> str:
        return str(self.root)

    def read(self, name: str) -> bytes:
        """Return the bytes under `name`."""
        return (self.root / name).read_bytes()

    def write(self, name: str, data: bytes) -> None:
        """Put `data` under `name`; it survives a power cut."""
        files.write(self.root / name, data)

    def renew(self, name: str) -> None:
        """Let the age of a file begin anew: `doctor` removes old ones that nobody names."""
        with suppress(PermissionError):  # of another user; it is there all the same
            os.utime(self.root / name)

    def remove(self, name: str) -> None:
        """Delete what is under `name`, if anything is."""
        files.remove(self.root / name)


class Bucket:
    """An object store, through fsspec."""

    def __init__(self, url: str) -> None:
        import fsspec

        self.url = url
        try:
            self._system, self._root = fsspec.url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise BadStoreUrl(url, str(error)) from error

    def __str__(self) -> str:
        return self.url

    def read(self, name: str) -> bytes:
        """Return the bytes under `name`."""
        data: bytes = self._ask("cat_file", name)
        return data

    def write(self, name: str, data: bytes) -> None:
        """Put `data` under `name`, in one request."""
        self._ask("pipe_file", name, data)

    def renew(self, name: str) -> None:
        """Do nothing: nothing is ever removed from here for its age."""

    def remove(self, name: str) -> None:
        """Delete what is under `name`, if anything is."""
        with suppress(FileNotFoundError):
            self._ask("rm_file", name)

    def _ask(self, verb: str, name: str, *given: bytes) -> Any:
        try:
            return getattr(self._system, verb)(f"{self._root}/{name}", *given)
        except FileNotFoundError:
            raise
        except Exception as error:  # each of fsspec's systems has its own
            raise StoreDown(self.url, error) from error


def open_place(url: str) -> Place:
    """Return the place that a URL or a folder's name says.

    Raises:
        BadStoreUrl: there can be no store.
    """
    scheme = urlsplit(url).scheme
    if not scheme:
        return Folder(Path(url))
    if scheme == "file":
        return Folder(Path(unquote(urlsplit(url).path)))
    if scheme not in ATOMIC:
        raise BadStoreUrl(url, f"{scheme}:// may show half of a file")
    return Bucket(url.rstrip("/"))
