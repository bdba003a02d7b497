"""The flows on a Prefect server: a work pool, queues by priority, deployments, automations.

All of it may be repeated: what is there already is set right, and nothing is there twice.
"""

from collections.abc import Mapping
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import (
    DeploymentScheduleCreate,
    WorkPoolCreate,
    WorkPoolUpdate,
)
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName
from prefect.client.schemas.objects import (
    ConcurrencyLimitConfig,
    ConcurrencyLimitStrategy,
)
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import ObjectNotFound
from prefect.types.entrypoint import EntrypointType

import flows
import pipelines
from flows.automations import changes_are_looked_at, silent_are_crashed
from flows.catalogue import FLOWS, flow_named
from flows.schedules import UPKEEP
from flows.servers.plan import POOL

NAME = "prompt-transfer"
"""Of each deployment, behind its flow's name: `adapt-target/prompt-transfer`."""
ONE_AT_A_TIME = ConcurrencyLimitConfig(
    limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW
)
RUNS = 2  # flow runs at once, where nobody says how many

QUEUES = {"upkeep": 10, "few-shot": 20, "adapt": 30, "sweep": 40}
"""By priority: where a slot is free, the queue with the lowest number gets it."""

# Nothing of it can be set by who starts a run: a command, or a variable such as PYTHONPATH, would
# be code of theirs. Without a key "env" here, Prefect does not even merge one. Output would go
# through a pipe of the worker's, and break with it; what runs log, the server has.
JOB_TEMPLATE = {
    "job_configuration": {"stream_output": False},
    "variables": {"type": "object", "properties": {}, "additionalProperties": False},
}


QUEUE_OF = {
    "few-shot": "few-shot",
    "adapt-target": "adapt",
    "adapt-group": "adapt",
    "evaluate": "adapt",
    "learn-source": "sweep",
    "transfer": "sweep",
    "reconcile": "upkeep",
}


def code_version() -> str:
    """Return what tells this code from any other: its version, and a digest of its files."""
    digest = sha256()
    for package in (flows, pipelines):
        for file in sorted(Path(package.__path__[0]).rglob("*.py")):
            digest.update(file.read_bytes())
    return f"{version('prompt-transfer')}+{digest.hexdigest()[:12]}"


def is_deployed(client: SyncPrefectClient) -> bool:
    """Say whether the server has all flows, as this code has them."""
    wanted = DeploymentFilter(name=DeploymentFilterName(any_=[NAME]))
    known = [one.version for one in client.read_deployments(deployment_filter=wanted)]
    return known == [code_version()] * len(FLOWS)


def deploy_all(
    client: SyncPrefectClient,
    runs: int | None = None,
    schedules: Mapping[str, DeploymentScheduleCreate] | None = None,
) -> dict[str, str]:
    """Register all flows; return the id of each deployment.

    Args:
        client: of the server.
        runs: flow runs at once; None leaves what the pool has.
        schedules: one to add, or to change, by the flow's name; all others stay.
    """
    make_pool(client, runs)
    wanted = {"reconcile": UPKEEP} | dict(schedules or {})
    ids = {name: _deploy(client, name, wanted.get(name)) for name in FLOWS}
    for one in (silent_are_crashed(), changes_are_looked_at(ids["reconcile"])):
        if not client.read_automations_by_name(one.name):
            client.create_automation(one)
    return ids


def _deploy(client: SyncPrefectClient, name: str, schedule: DeploymentScheduleCreate | None) -> str:
    deployment = RunnerDeployment.from_flow(
        flow_named(name),
        NAME,
        tags=[NAME, QUEUE_OF[name]],
        version=code_version(),
        work_pool_name=POOL,
        work_queue_name=QUEUE_OF[name],
        entrypoint_type=EntrypointType.MODULE_PATH,
        # One that starts before the last has ended has nothing to do that the next would not.
        concurrency_limit=ONE_AT_A_TIME if name == "reconcile" else None,
    )
    schedules = {one.slug: one for one in _schedules_of(client, name)}
    if schedule:
        schedules[schedule.slug] = schedule
    deployment.schedules = [*schedules.values()]  # what is not named might be taken away
    return str(deployment.apply())


def _schedules_of(client: SyncPrefectClient, name: str) -> list[DeploymentScheduleCreate]:
    try:
        found = client.read_deployment_by_name(f"{name}/{NAME}").schedules
    except ObjectNotFound:
        return []
    what = set(DeploymentScheduleCreate.model_fields) - {"replaces"}
    return [DeploymentScheduleCreate.model_validate(one.model_dump(include=what)) for one in found]


def make_pool(client: SyncPrefectClient, runs: int | None) -> None:
    """Make the work pool and its queues, or set them right."""
    try:
        found = client.read_work_pool(POOL)
    except ObjectNotFound:
        client.create_work_pool(
            WorkPoolCreate(
                name=POOL,
                type="process",
                description="Runs of prompt-transfer, as processes of this machine",
                base_job_template=JOB_TEMPLATE,
                concurrency_limit=runs or RUNS,
            )
        )
        limit = runs or RUNS
    else:
        limit = runs or found.concurrency_limit or RUNS
        client.update_work_pool(
            POOL, WorkPoolUpdate(base_job_template=JOB_TEMPLATE, concurrency_limit=limit)
        )
    for name, priority in QUEUES.items():
        # A sweep may take days: it never has all slots.
        most = max(1, limit - 1) if name == "sweep" else None
        _queue(client, name, priority, most)


def _queue(client: SyncPrefectClient, name: str, priority: int, limit: int | None) -> None:
    try:
        found = client.read_work_queue_by_name(name, work_pool_name=POOL)
    except ObjectNotFound:
        found = client.create_work_queue(name, work_pool_name=POOL, priority=priority)
    if (found.priority, found.concurrency_limit) != (priority, limit):
        client.update_work_queue(found.id, priority=priority, concurrency_limit=limit)
