"""How things are, for people, on stdout."""

from datetime import datetime

from flows.status import Status
from flows.tables import aligned


def show(status: Status) -> None:
    """Print what is up, then what runs and waits, then what starts next."""
    aligned([(one.name, _healthy(one.healthy), one.address) for one in status.servers])
    if not status.queues:
        return
    free = ", ".join(f"{one.free} of {one.all} {one.of} free" for one in status.slots)
    aligned([("",), (free,), ("",)])
    aligned([
        ("queue", "priority", "at most", "running", "waiting"),
        *(
            (one.name, str(one.priority), str(one.limit or ""), str(one.running), str(one.waiting))
            for one in status.queues
        ),
    ])  # fmt: skip
    running = [(one.name, one.state, _time(one.since), one.id) for one in status.running]
    if running:
        aligned([("",)])
        aligned([("running", "state", "since", "id"), *running])
    aligned([("",)])
    aligned([
        ("schedule", "of", "when", "next"),
        *(
            (one.name, one.flow, one.when, _time(one.next) if one.active else "paused")
            for one in status.schedules
        ),
    ])  # fmt: skip
    aligned([("",), (f"deployed: {', '.join(status.deployments)}",)])


def _healthy(yes: bool) -> str:
    return "healthy" if yes else "down"


def _time(when: datetime | None) -> str:
    """Return a time as this machine's clock shows it."""
    return when.astimezone().strftime("%Y-%m-%d %H:%M") if when else "none planned"
