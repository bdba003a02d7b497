"""Anything that has an id: found by the whole of it, or by its first digits."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from sqlalchemy import Connection

from pipelines.contents import artifacts, templates
from pipelines.lookup import SHOWN, UnknownId, matches
from pipelines.tables import backbones, datasets, runs

Kind = Literal[
    "prompt", "run", "dataset", "backbone", "template", "predictions", "adapter", "checkpoint"
]
KINDS: tuple[Kind, ...] = (
    "prompt", "run", "dataset", "backbone", "template", "predictions", "adapter", "checkpoint",
)  # fmt: skip
COLUMNS = {
    "run": runs.c.id,
    "dataset": datasets.c.sha,
    "backbone": backbones.c.sha,
    "template": templates.c.sha,
}
"""Where the ids are; those of all other kinds are in `artifact`."""


class Thing(NamedTuple):
    """One of them."""

    kind: Kind
    id: str


def find(connection: Connection, given: str, kinds: Sequence[Kind] = KINDS) -> Thing:
    """Return the one thing of these kinds with this id, or with these 6 or more digits of it.

    Raises:
        UnknownId: nothing has it, or several things have.
    """
    found = [Thing(kind, one) for kind in kinds for one in _matches(connection, kind, given)]
    if len(found) != 1:
        what = " or ".join(filter(None, (", ".join(kinds[:-1]), kinds[-1])))
        raise UnknownId(what, given, [f"{kind} {one[:SHOWN]}" for kind, one in found])
    return found[0]


def _matches(connection: Connection, kind: Kind, given: str) -> list[str]:
    if kind in COLUMNS:
        return matches(connection, COLUMNS[kind], given)
    return matches(connection, artifacts.c.sha, given, artifacts.c.kind == kind)
