"""What other systems are still to be told, and were not though they could have been."""

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from typing import NamedTuple

from sqlalchemy import exists, func, select

from pipelines.doctor.finding import Finding, Home
from pipelines.doctor.telling import check, tell_prompt
from pipelines.outbox import Sink
from pipelines.registry_tables import outbox, registrations
from pipelines.relay import Delivered
from pipelines.tables import runs

PART = "outbox"
LATE: dict[Sink, tuple[str, str]] = {
    "gate": ("the gate did not judge {} prompts yet", "lets it judge them"),
    "registry": ("MLflow was not told of {} things yet", "tells it"),
    "openlineage": ("OpenLineage was not sent {} events yet", "sends them"),
}


class Due(NamedTuple):
    """What one system is still to be told."""

    things: int
    since: datetime
    error: str | None
    """The last of them, if any failed."""


def findings(home: Home) -> Iterator[Finding]:
    """Yield what is due; but while runs are under way only what failed: flows tell at their end."""
    for sha, task in _forgotten(home):
        what = f"prompt {sha[:12]} for {task} is not in MLflow, and nobody is to tell it"
        yield Finding(PART, what, "publishes it", partial(tell_prompt, home, sha, task))
    busy = _is_busy(home)
    for sink, tell in home.tell.items():
        due = _due(home, sink)
        if due is None or (busy and not due.error):
            continue
        late, remedy = LATE[sink]
        why = f"; the last error: {due.error}" if due.error else ""
        what = f"{late.format(due.things)}, the first asked at {due.since:%Y-%m-%d %H:%M} UTC{why}"
        yield Finding(PART, what, remedy, partial(_tell, tell))


def _tell(tell: Callable[[], Delivered]) -> None:
    check(tell())


def _forgotten(home: Home) -> list[tuple[str, str]]:
    asked = exists().where(
        outbox.c.sink == "registry", outbox.c.what == "prompt", outbox.c.told_at.is_(None),
        outbox.c.subject == registrations.c.prompt_sha,
    )  # fmt: skip
    open_ = registrations.c.version.is_(None)
    query = select(registrations.c.prompt_sha, registrations.c.task).where(open_, ~asked)
    with home.lineage.database.reading() as connection:
        return [(row.prompt_sha, row.task) for row in connection.execute(query)]


def _is_busy(home: Home) -> bool:
    running = select(runs.c.id).where(runs.c.status == "running").limit(1)
    with home.lineage.database.reading() as connection:
        return connection.scalar(running) is not None


def _due(home: Home, sink: Sink) -> Due | None:
    mine = (outbox.c.sink == sink) & outbox.c.told_at.is_(None)
    counted = select(func.count(), func.min(outbox.c.asked_at)).where(mine)
    failed = select(outbox.c.error).where(mine, outbox.c.error.is_not(None))
    with home.lineage.database.reading() as connection:
        count, since = connection.execute(counted).one()
        error = connection.scalar(failed.order_by(outbox.c.id.desc()).limit(1))
    return Due(count, since, error) if count else None
