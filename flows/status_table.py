"""How things are, for people, on stdout."""

import sys
from collections.abc import Sequence
from datetime import datetime

from flows.columns import aligned
from flows.status import Status


def show(status: Status) -> None:
    """Print what is up, then what runs and waits, then what starts next."""
    servers = [(one.name, _healthy(one.healthy), one.address) for one in status.servers]
    _say(aligned(("server", "state", "address"), servers))
    if not status.queues:
        return
    free = ", ".join(f"{one.free} of {one.all} {one.of} free" for one in status.slots)
    _say(f"\n{free}\n\n")
    _say(aligned(("queue", "priority", "at most", "running", "waiting"), _queues(status)))
    if status.running:
        running = [(one.name, one.state, _time(one.since), one.id) for one in status.running]
        _say("\n" + aligned(("running", "state", "since", "id"), running))
    _say("\n" + aligned(("schedule", "of", "when", "next"), _schedules(status)))
    _say(f"\ndeployed: {', '.join(status.deployments)}\n")


def _queues(status: Status) -> Sequence[tuple[object, ...]]:
    return [
        (one.name, one.priority, one.limit or None, one.running, one.waiting)
        for one in status.queues
    ]


def _schedules(status: Status) -> Sequence[tuple[str, ...]]:
    return [
        (one.name, one.flow, one.when, _time(one.next) if one.active else "paused")
        for one in status.schedules
    ]


def _healthy(yes: bool) -> str:
    return "healthy" if yes else "down"


def _time(when: datetime | None) -> str:
    """Return a time as this machine's clock shows it."""
    return when.astimezone().strftime("%Y-%m-%d %H:%M") if when else "none planned"


def _say(text: str) -> None:
    sys.stdout.write(text)
