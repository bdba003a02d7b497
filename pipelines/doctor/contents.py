"""The store against lineage: bytes that are named and not there, or there and not named."""

import os
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from time import time

from sqlalchemy import func, select

from pipelines.contents import artifacts
from pipelines.doctor.copies import Copy, copy_of
from pipelines.doctor.finding import DAY, Finding, Home, Skipped, written_at
from pipelines.places import Folder, StoreDown
from pipelines.store import CorruptContent, MissingContent
from pipelines.tables import prompts, runs

PART = "store"
STORED = ("prompt", "predictions", "references", "losses")
"""Kinds of artifact whose bytes are in the store."""
PREFIXES = [f"{number:02x}" for number in range(256)]
"""What names in one folder of the store begin with: so much is looked at in one portion."""


def findings(home: Home) -> Iterator[Finding | Skipped]:
    """Yield what lineage names and the store does not have as it was, then what nobody names."""
    checked = 0
    for prefix in PREFIXES:
        for sha, kind in _named(home, prefix).items():
            checked += 1
            home.note(f"store: {checked:,} files checked, {PREFIXES.index(prefix)} of 256 folders")
            try:
                wrong = _wrong_with(home, sha)
            except StoreDown as error:
                yield Skipped(PART, str(error))
                return
            if wrong:
                yield _damaged(home, sha, kind, wrong)
    yield from _strangers(home)


def _named(home: Home, prefix: str) -> dict[str, str]:
    """Return the kinds of the stored artifacts whose digests begin with `prefix`, by digest."""
    begins = (artifacts.c.sha >= prefix) & (artifacts.c.sha < f"{prefix}g")
    query = select(artifacts.c.sha, artifacts.c.kind).where(begins, artifacts.c.kind.in_(STORED))
    with home.lineage.database.reading() as connection:
        return dict(connection.execute(query.order_by(artifacts.c.sha)).tuples().all())


def _wrong_with(home: Home, sha: str) -> str:
    try:
        home.store.get(sha)
    except MissingContent:
        return "is not in the store"
    except CorruptContent:
        return "has other bytes in the store than it was made with"
    except StoreDown:
        raise
    except OSError as error:
        return f"cannot be read from the store ({error.strerror})"
    return ""


def _damaged(home: Home, sha: str, kind: str, wrong: str) -> Finding:
    what = f"{_described(home, sha, kind)} {wrong}"
    copy = copy_of(home, sha) if kind == "prompt" else None
    if copy:
        back = f"takes it back from {copy.version} in MLflow"
        return Finding(PART, what, back, partial(_restore, home, sha, copy))
    lost = "put it back from a backup of the store; no command makes it again"
    known = "put it back from a backup of the store; what was recorded of it stays"
    return Finding(PART, what, lost if kind == "prompt" else known)


def _described(home: Home, sha: str, kind: str) -> str:
    if kind == "prompt":
        with home.lineage.database.reading() as connection:
            row = connection.execute(select(prompts).where(prompts.c.sha == sha)).one_or_none()
        kind = f"the {row.kind} prompt for {row.task}," if row else kind
    return f"{kind} {sha[:12]}"


class NoCopy(LookupError):
    """A copy that was there a moment ago is not there any more."""

    def __init__(self, version: str) -> None:
        super().__init__(f"{version} is not there any more")


def _restore(home: Home, sha: str, copy: Copy) -> None:
    data = copy.read()
    if data is None:
        raise NoCopy(copy.version)
    home.store.put(data)


def _strangers(home: Home) -> Iterator[Finding]:
    """Yield the files that lineage does not name, and that no run under way will."""
    before = min(time() - DAY, _oldest_work(home))
    named = strange = 0
    for _, is_named in _files(home):
        named, strange = named + is_named, strange + (not is_named)
    if strange > named:
        what = f"{strange} of its {named + strange} files are not named by this lineage"
        remedy = "see that lineage and store belong together: of so many, none is removed"
        yield Finding(PART, what, remedy)
        return
    for path, is_named in _files(home):
        if not is_named and written_at(path) < before:
            what = f"{path.name[:12]} is named by nothing in lineage"
            yield Finding(PART, what, "removes it", partial(remove, path, before))


def _oldest_work(home: Home) -> float:
    """Return when the longest of the runs under way began, in seconds since 1970."""
    begun = select(func.min(runs.c.started_at)).where(runs.c.status == "running")
    with home.lineage.database.reading() as connection:
        oldest = connection.scalar(begun)
    return oldest.timestamp() if oldest else time()


def _files(home: Home) -> Iterator[tuple[Path, bool]]:
    """Yield the files of the store that have a digest's name, and whether lineage names it.

    Those of an object store are left alone: a list of them takes long, and their age says nothing.
    """
    place = home.store.place
    if not isinstance(place, Folder):
        return
    for prefix in PREFIXES:
        folder = place.root / prefix
        if not folder.is_dir():
            continue
        home.note(f"store: looking for what nobody names, {PREFIXES.index(prefix)} of 256 folders")
        named = _named(home, prefix)
        with os.scandir(folder) as entries:
            names = [one.name for one in entries if re.fullmatch("[0-9a-f]{64}", one.name)]
        yield from ((folder / name, name in named) for name in names)


def remove(path: Path, before: float) -> None:
    """Delete a file of the store, unless somebody has stored the same after `before`.

    It is set aside first, so that who stores it from now on sees that it is not there.
    """
    aside = path.with_name(f".new-{path.name}-aside")
    path.rename(aside)
    if aside.stat().st_mtime < before:
        aside.unlink()
    else:
        aside.rename(path)
