"""What a Prefect server runs, and what comes next."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound

from flows.deployments import FLOWS, NAME, QUEUES
from flows.servers.plan import POOL

MOST = 200  # runs that are looked at
BUSY = (StateType.PENDING, StateType.RUNNING, StateType.CANCELLING)


@dataclass(frozen=True)
class Queue:
    """One queue of the work pool."""

    name: str
    priority: int
    limit: int | None
    running: int
    waiting: int
    """Runs that are due."""


@dataclass(frozen=True)
class Schedule:
    """When a deployment starts by itself."""

    flow: str
    name: str
    when: str
    active: bool
    next: datetime | None


@dataclass(frozen=True)
class Running:
    """A flow run under way."""

    id: str
    name: str
    state: str
    queue: str
    since: datetime | None


@dataclass(frozen=True)
class Slots:
    """Places for jobs of one kind."""

    of: str
    all: int
    free: int


@dataclass(frozen=True)
class Status:
    """All that the Prefect server says."""

    queues: tuple[Queue, ...]
    deployments: tuple[str, ...]
    """By name; as many as are registered."""
    schedules: tuple[Schedule, ...]
    running: tuple[Running, ...]
    slots: tuple[Slots, ...]


def status(client: SyncPrefectClient) -> Status:
    """Ask a server."""
    try:
        pool = client.read_work_pool(POOL)
    except ObjectNotFound:
        return Status((), (), (), (), ())
    busy = _runs(client, BUSY)
    planned = _runs(client, (StateType.SCHEDULED,))
    schedules = tuple(_schedules(client, planned))
    now = datetime.now(UTC)
    due = [one for one in planned if one.expected_start_time and one.expected_start_time <= now]
    here = [one for one in busy if one.work_pool_name == POOL]
    limit = pool.concurrency_limit or 0
    return Status(
        queues=tuple(_queue(client, name, busy, due) for name in QUEUES),
        deployments=tuple(f"{one.name}" for one in client.read_deployments()),
        schedules=tuple(_schedules(client, planned)),
        running=tuple(_running(one) for one in busy),
        slots=(Slots("flow runs", limit, max(0, limit - len(here))),),
    )


def _runs(client: SyncPrefectClient, states: tuple[StateType, ...]) -> list[FlowRun]:
    wanted = FlowRunFilterState(type=FlowRunFilterStateType(any_=list(states)))
    return client.read_flow_runs(
        flow_run_filter=FlowRunFilter(state=wanted),
        sort=FlowRunSort.EXPECTED_START_TIME_ASC,
        limit=MOST,
    )


def _queue(client: SyncPrefectClient, name: str, busy: list[FlowRun], due: list[FlowRun]) -> Queue:
    found = client.read_work_queue_by_name(name, work_pool_name=POOL)
    return Queue(
        name=name,
        priority=found.priority,
        limit=found.concurrency_limit,
        running=sum(one.work_queue_id == found.id for one in busy),
        waiting=sum(one.work_queue_id == found.id for one in due),
    )


def _schedules(client: SyncPrefectClient, planned: list[FlowRun]) -> Iterator[Schedule]:
    for name in FLOWS:
        try:
            found = client.read_deployment_by_name(f"{name}/{NAME}")
        except ObjectNotFound:
            continue
        for one in found.schedules:
            runs = [run for run in planned if run.created_by and run.created_by.id == one.id]
            starts = [run.expected_start_time for run in runs if run.expected_start_time]
            first = min(starts, default=None)
            yield Schedule(name, one.slug or "", _told(one.schedule), one.active, first)


def _told(when: object) -> str:
    if isinstance(when, CronSchedule):
        return f"{when.cron} ({when.timezone})"
    return f"every {when.interval}" if isinstance(when, IntervalSchedule) else str(when)


def _running(run: FlowRun) -> Running:
    return Running(
        str(run.id), run.name, run.state_name or "", run.work_queue_name or "", run.start_time
    )
