"""What is up, what runs, what waits, and what comes next."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL

from flows.catalogue import FLOWS
from flows.deployments import NAME, QUEUES
from flows.devices import slots
from flows.prefect_api import NoServer, ServerDown, prefect_client
from flows.servers.health import answers
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
class Server:
    """A server that commands of this home talk to."""

    name: str
    address: str
    healthy: bool


@dataclass(frozen=True)
class Status:
    """How things are; nothing of what only Prefect's server knows, where that does not answer."""

    servers: tuple[Server, ...]
    slots: tuple[Slots, ...] = ()
    queues: tuple[Queue, ...] = ()
    running: tuple[Running, ...] = ()
    deployments: tuple[str, ...] = ()
    schedules: tuple[Schedule, ...] = ()


def status(mlflow_url: str) -> Status:
    """Ask all servers.

    Args:
        mlflow_url: of MLflow's server, or of its database: then there is none.

    Raises:
        NotAllowed: Prefect's server wants another password.
    """
    served = mlflow_url.startswith("http")
    healthy = served and answers(f"{mlflow_url}/health")
    mlflow = Server("mlflow", mlflow_url if served else "", healthy)
    try:
        with prefect_client() as client:
            return _of_prefect(client, mlflow)
    except (NoServer, ServerDown):
        return Status((Server("prefect", PREFECT_API_URL.value() or "", False), mlflow))


def _of_prefect(client: SyncPrefectClient, mlflow: Server) -> Status:
    prefect = Server("prefect", str(client.api_url).removesuffix("/api/"), True)
    try:
        pool = client.read_work_pool(POOL)
    except ObjectNotFound:
        return Status((prefect, mlflow))
    online = [one for one in client.read_workers_for_work_pool(POOL) if one.status == "ONLINE"]
    busy, planned = _runs(client, BUSY), _runs(client, (StateType.SCHEDULED,))
    now = datetime.now(UTC)
    due = [one for one in planned if one.expected_start_time and one.expected_start_time <= now]
    limit = pool.concurrency_limit or 0
    taken = sum(one.work_pool_name == POOL for one in busy)
    known = _deployed(client)
    return Status(
        servers=(prefect, mlflow, Server("worker", POOL, bool(online))),
        slots=(Slots("flow runs", limit, max(0, limit - taken)), *_of_devices()),
        queues=tuple(_queue(client, name, busy, due) for name in QUEUES),
        running=tuple(_running(one) for one in busy),
        deployments=tuple(known),
        schedules=tuple(_schedules(known, planned)),
    )


def _of_devices() -> Iterator[Slots]:
    """Yield what jobs may hold of this machine's GPUs, or else of its cores."""
    shares = slots()
    for name in dict.fromkeys(one.device for one in shares):
        free = [one.free for one in shares if one.device == name]
        yield Slots("cores" if name == "cpu" else f"parts of {name}", len(free), sum(free))


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


def _deployed(client: SyncPrefectClient) -> dict[str, DeploymentResponse]:
    """Return the flows that the server knows, by name."""
    found = {}
    for name in FLOWS:
        with suppress(ObjectNotFound):
            found[name] = client.read_deployment_by_name(f"{name}/{NAME}")
    return found


def _schedules(known: dict[str, DeploymentResponse], planned: list[FlowRun]) -> Iterator[Schedule]:
    for name, deployment in known.items():
        for one in deployment.schedules:
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
