"""Telling other systems what lineage has for them: they may be down, and catch up later."""

from collections.abc import Callable
from dataclasses import dataclass, field

from pipelines import outbox
from pipelines.lineage import Lineage
from pipelines.locks import hold
from pipelines.outbox import Item, Sink

BATCH = 500  # items that are looked up at once
RELAY_WAIT = 120.0  # seconds that one relay waits for another


@dataclass
class Delivered:
    """How telling one system went."""

    told: list[str] = field(default_factory=list)
    """What it answered: `name/version` of a prompt, say."""
    failed: dict[str, str] = field(default_factory=dict)
    """Why each thing that failed is still due, by its subject."""


def deliver(
    lineage: Lineage,
    sink: Sink,
    tell: Callable[[Item], list[str]],
    down: type[Exception] | tuple[type[Exception], ...] = (),
) -> Delivered:
    """Tell one system all that is due, in order; what failed stays due.

    Args:
        lineage: where the outbox is.
        sink: the system.
        tell: tells it one thing, as lineage has it now. May be repeated.
        down: errors after which it is not asked for more; any other costs one thing only.

    Raises:
        Busy: another relay has been at the same system for minutes.
        Exception: one of `down`; what was told before it is noted.
    """
    done, tried = Delivered(), set[tuple[int, int]]()
    with hold(lineage.database.engine, lineage.locks, f"relay-{sink}", RELAY_WAIT):
        # What was asked for again meanwhile is due again.
        while items := [one for one in _due(lineage, sink) if (one.id, one.asked) not in tried]:
            for item in items:
                tried.add((item.id, item.asked))
                _tell(lineage, item, tell, down, done)
    return done


def _due(lineage: Lineage, sink: Sink) -> list[Item]:
    with lineage.database.reading() as connection:
        return outbox.due(connection, sink, BATCH)


def _tell(
    lineage: Lineage,
    item: Item,
    tell: Callable[[Item], list[str]],
    down: type[Exception] | tuple[type[Exception], ...],
    done: Delivered,
) -> None:
    try:
        done.told += tell(item)
    except Exception as error:
        is_down = isinstance(error, down)
        with lineage.database.writing() as connection:
            outbox.failed(connection, item, error, by_itself=not is_down)
        if is_down:
            raise
        done.failed[item.subject] = f"{type(error).__name__}: {error}"
    else:
        with lineage.database.writing() as connection:
            outbox.told(connection, item)
