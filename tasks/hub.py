"""Rows from the Hugging Face hub, and the commit that they really came from."""

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from tasks.task import Hub, Row

if TYPE_CHECKING:
    from datasets import DatasetBuilder


class HubRows(NamedTuple):
    """All splits of a dataset, and the commit that was read; None if it could not be told."""

    splits: Mapping[str, Iterable[Row]]
    revision: str | None


class HubUnreachable(LookupError, ConnectionError):
    """The hub gave no rows. A `ConnectionError` too: waiting may cure it."""

    def __init__(self, source: Hub, reason: object) -> None:
        why = " ".join(str(reason).split())
        super().__init__(
            f"no rows of {title(source)} from the Hugging Face hub ({why}): try again later, "
            "or put its files into a folder and pass --data DIR"
        )


def title(source: Hub) -> str:
    """Return the dataset's name and subset, as one reads them on the hub."""
    return " ".join(filter(None, (source.path, source.subset)))


def read(source: Hub) -> HubRows:
    """Download (once) and return every split.

    Raises:
        HubUnreachable: they could not be had, or the only copy at hand is of another commit.
    """
    from datasets import load_dataset_builder

    try:
        builder = load_dataset_builder(
            source.path, source.subset, data_files=source.files, revision=source.revision
        )
        builder.download_and_prepare()
        splits: Mapping[str, Iterable[Row]] = builder.as_dataset()
    except Exception as error:
        # Whatever goes wrong beyond this seam, the user can do the same two things about it.
        raise HubUnreachable(source, f"{type(error).__name__}: {error}") from error
    revision = commit(builder)
    # Without a network, `datasets` quietly takes the newest copy in its cache instead.
    if is_commit(source.revision) and revision != source.revision:
        raise HubUnreachable(source, f"wanted commit {source.revision}, only {revision} is here")
    return HubRows(splits, revision)


def is_commit(revision: str | None) -> bool:
    """Say whether `revision` is a commit; else it is a branch, which moves."""
    return re.fullmatch(r"[0-9a-f]{40}", str(revision)) is not None


def commit(builder: "DatasetBuilder") -> str | None:
    """Return the commit, 40 hex digits, of a builder's files; None where they carry none."""
    files = re.search(r"hf://[^'\"]+?@([0-9a-f]{40})/", str(builder.config.data_files))
    if files:
        return files[1]
    # A builder of the cache has no files; its folder is named after the commit.
    cached = re.fullmatch(r"[0-9a-f]{40}", str(builder.hash))
    return cached[0] if cached else None
