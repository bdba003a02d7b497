"""When flows start by themselves: cron lines and intervals, checked before a server sees them."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule
from pydantic import ValidationError

# Intervals are counted from here: from "now" they would begin anew with each deployment.
ANCHOR = datetime(2024, 1, 1, tzinfo=UTC)
SHORTEST = timedelta(minutes=1)


class BadSchedule(ValueError):
    """A schedule says nothing that a clock could follow."""


def schedule(
    slug: str,
    cron: str | None,
    interval: timedelta | None,
    timezone: str,
    parameters: dict[str, object],
) -> DeploymentScheduleCreate:
    """Return a schedule; what has the same `slug` on the server is replaced by it.

    Raises:
        BadSchedule: it is neither a cron line nor an interval, or both, or in no known zone.
    """
    if (cron is None) == (interval is None):
        raise BadSchedule("a schedule is a --cron line or an --interval: give one of the two")
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadSchedule(
            f"--timezone is {timezone!r}: give a name such as Europe/Berlin or UTC"
        ) from None
    when = _cron(cron, timezone) if cron is not None else _every(interval, timezone)
    return DeploymentScheduleCreate(schedule=when, slug=slug, parameters=parameters)


def _cron(line: str, timezone: str) -> CronSchedule:
    wrong = BadSchedule(
        f"--cron is {line!r}: give minute, hour, day, month and weekday, as in '0 3 * * 1-5'"
    )
    if len(line.split()) != 5:  # a sixth would be seconds: nobody means "every second"
        raise wrong
    try:
        return CronSchedule(cron=line, timezone=timezone)
    except ValidationError:
        raise wrong from None


def _every(interval: timedelta | None, timezone: str) -> IntervalSchedule:
    if interval is None or interval < SHORTEST:
        raise BadSchedule(f"--interval is {interval}: give a minute or more, as in 6h or 1d")
    return IntervalSchedule(interval=interval, anchor_date=ANCHOR, timezone=timezone)


UPKEEP = schedule("upkeep", "*/5 * * * *", None, "UTC", {})
"""Of the flow `reconcile`."""
