"""Anything that has an id: found by the whole of it, or by its first digits."""

from collections.abc import Sequence
from functools import cache
from typing import Literal, NamedTuple

from pipelines.ids import SEVERAL, SHOWN, UnknownId, is_prefix
from pipelines.reader import Reader

Kind = Literal[
    "prompt", "run", "dataset", "backbone", "template", "predictions", "adapter", "checkpoint"
]
KINDS: tuple[Kind, ...] = (
    "prompt", "run", "dataset", "backbone", "template", "predictions", "adapter", "checkpoint",
)  # fmt: skip
PLACES = {
    "run": "run.id",
    "dataset": "dataset.sha",
    "backbone": "backbone.sha",
    "template": "template.sha",
}
"""Where the ids are; those of all other kinds are in `artifact`."""


class Thing(NamedTuple):
    """One of them."""

    kind: Kind
    id: str


def find(reader: Reader, given: str, kinds: Sequence[Kind] = KINDS) -> Thing:
    """Return the one thing of these kinds with this id, or with these 6 or more digits of it.

    Raises:
        UnknownId: nothing has it, or several things have.
    """
    found = _matches(reader, given, tuple(kinds)) if is_prefix(given) else []
    if len(found) != 1:
        what = " or ".join(filter(None, (", ".join(kinds[:-1]), kinds[-1])))
        raise UnknownId(what, given, [f"{kind} {one[:SHOWN]}" for kind, one in found])
    return found[0]


def _matches(reader: Reader, given: str, kinds: tuple[Kind, ...]) -> list[Thing]:
    # Not LIKE, which no index serves on SQLite. Whatever begins so sorts before "g".
    found = reader.ask(_statement(kinds), given=given, beyond=f"{given}g")
    things = (Thing(*row) for row in found.rows)
    return sorted(things, key=lambda one: (kinds.index(one.kind), one.id))


@cache
def _statement(kinds: tuple[Kind, ...]) -> str:
    """Return one statement for all kinds, of which each gives its first few."""
    parts = [_first_few(f"'{one}'", PLACES[one]) for one in kinds if one in PLACES]
    if others := ", ".join(f"'{one}'" for one in kinds if one not in PLACES):
        parts.append(_first_few("artifact.kind", "artifact.sha", f" AND kind IN ({others})"))
    return " UNION ALL ".join(parts)


def _first_few(kind: str, column: str, only: str = "") -> str:
    table = column.partition(".")[0]
    return (
        f"SELECT * FROM (SELECT {kind} AS kind, {column} AS id FROM {table} "
        f"WHERE {column} >= :given AND {column} < :beyond{only} "
        f"ORDER BY {column} LIMIT {SEVERAL}) AS {table}_found"
    )
