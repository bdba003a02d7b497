"""Jobs as flow runs of their own, which the workers of a Prefect work pool start where they are.

How a job ended travels back in the message of its run's state: ids and errors, and no file that the
two machines would have to share.
"""

import json
import time
from itertools import count

import prefect
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.deployments import run_deployment
from prefect.states import Cancelling, Completed

from flows import stopping, wire
from flows.job_settings import JobSettings
from flows.room import room
from flows.settings import BadSetting, open_lineage
from flows.supervisor import ATTEMPTS, JobDied, supervise
from pipelines.ids import UnknownId
from pipelines.job import Job

POLL = 2.0  # seconds

Found = list[str | Exception]


@prefect.flow(name="job", flow_run_name="{title}", persist_result=False)
def run_job(job: Job, title: str) -> State:
    """Run one job on this worker's machine; it completes also where the job failed of an error."""
    return Completed(message=json.dumps(wire.answers(supervise(job, title, room(job)))))


def on_pool(job: Job, title: str) -> Found:
    """Have a worker run `job`; return the run id of each spec, or what it failed of.

    A flow that was killed and is run again finds the runs that its first attempt started.

    Raises:
        JobDied: its run crashed as often as it was started.
    """
    ended = ""
    attempts = 0
    with get_client(sync_client=True) as client:
        for number in count():
            run = _start(job, title, number)
            is_old = run.state is not None and run.state.is_final()
            state = _wait(run, client)
            found = _answer(state)
            if found is not None and not (is_old and _is_void(found)):
                return found
            attempts += not is_old
            ended = state.name or state.type.value
            if attempts == ATTEMPTS or state.is_cancelled():
                raise JobDied(title, job.id, ended)
    raise AssertionError("numbers have no end")


def _start(job: Job, title: str, number: int) -> FlowRun:
    """Start the run with this number, or find it."""
    pool = JobSettings.read().cluster
    if not pool:
        raise BadSetting("cluster", pool, "the work pool whose workers run jobs")
    run: FlowRun = run_deployment(  # type: ignore[assignment]
        f"job/{pool}",
        parameters={"job": job.model_dump(mode="json"), "title": title},
        flow_run_name=title,
        idempotency_key=f"{job.id}-{number}",
        timeout=0,
    )
    return run


def _wait(run: FlowRun, client: SyncPrefectClient) -> State:
    """Return the state that a run ends in; where all shall stop, stop it too."""
    try:
        while not (run.state and run.state.is_final()):
            stopping.check()
            time.sleep(POLL)
            run = client.read_flow_run(run.id)
        return run.state
    except BaseException:
        client.set_flow_run_state(run.id, Cancelling())
        raise


def _answer(state: State) -> Found | None:
    return wire.found(json.loads(state.message or "{}")) if state.is_completed() else None


def _is_void(found: Found) -> bool:
    """Say whether an old answer is of no use: an error may be cured by now, a database be new."""
    with open_lineage() as lineage:
        try:
            return not all(
                isinstance(one, str) and lineage.get_run(one).status == "completed" for one in found
            )
        except UnknownId:
            return True
