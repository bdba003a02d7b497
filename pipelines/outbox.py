"""What other systems are still to be told: written with the facts, in the same transaction.

A thing stands here once, however often it changes: it is looked up when it is told.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, func, select, update

from pipelines.columns import now
from pipelines.insertion import add
from pipelines.registry_tables import outbox

Sink = Literal["registry", "gate", "openlineage"]
"""Who is told. The gate is our own: it judges whether a new prompt becomes champion."""
What = Literal["prompt", "champion", "start", "end"]

ERROR_LENGTH = 1000  # characters of an error that are kept

AGAIN = (
    "ON CONFLICT (sink, what, subject) DO UPDATE SET asked = outbox.asked + 1, "
    "asked_at = excluded.asked_at, told_at = NULL, attempts = 0"
)


@dataclass(frozen=True)
class Item:
    """One thing to tell: `subject` is a digest, a model name or a run's id."""

    id: int
    sink: Sink
    what: What
    subject: str
    asked: int
    attempts: int


def ask(connection: Connection, sink: Sink, what: What, subject: str) -> None:
    """Let `sink` be told of `subject`, also if it was told before."""
    ask_all(connection, [(sink, what, subject)])


def ask_all(connection: Connection, asked: Iterable[tuple[Sink, What, str]]) -> None:
    """Let each sink be told of its subject, also if it was told before."""
    # In order: else two transactions with the same rows may wait for each other.
    in_order = sorted(set(asked))
    rows = [{"sink": sink, "what": what, "subject": subject} for sink, what, subject in in_order]
    add(connection, outbox, rows, AGAIN)


def hold(connection: Connection, sink: Sink, what: What, subject: str) -> None:
    """Let whoever else asks for this, where it stands here, wait until this transaction ends."""
    mine = select(outbox.c.id).filter_by(sink=sink, what=what, subject=subject)
    connection.execute(mine.with_for_update())


def due(connection: Connection, sink: Sink, limit: int) -> list[Item]:
    """Return what `sink` was not told yet, oldest first, but what failed already after the rest."""
    waiting = (
        select(*(outbox.c[name] for name in Item.__annotations__))
        .where(outbox.c.sink == sink, outbox.c.told_at.is_(None))
        .order_by(outbox.c.attempts, outbox.c.id)
        .limit(limit)
    )
    return [Item(*row) for row in connection.execute(waiting)]


def told(connection: Connection, item: Item) -> None:
    """Note that `item` was told, unless it has changed meanwhile: then it stays due."""
    same = update(outbox).where(outbox.c.id == item.id, outbox.c.asked == item.asked)
    connection.execute(same.values(told_at=now(), error=None))


def failed(connection: Connection, item: Item, error: BaseException, by_itself: bool) -> None:
    """Note that `item` could not be told; it stays due, and in its place if others would fail too.

    Args:
        connection: the database.
        item: what could not be told.
        error: why.
        by_itself: it is the cause, and not its system, which is down.
    """
    line = " ".join(f"{type(error).__name__}: {error}".split())[:ERROR_LENGTH]
    mine = update(outbox).where(outbox.c.id == item.id)
    connection.execute(mine.values(attempts=outbox.c.attempts + int(by_itself), error=line))


def waiting(connection: Connection) -> dict[str, int]:
    """Return how many things each sink is still to be told; none is left out where it is 0."""
    count = select(outbox.c.sink, func.count()).where(outbox.c.told_at.is_(None))
    return dict(connection.execute(count.group_by(outbox.c.sink)).tuples().all())
