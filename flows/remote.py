"""Flow runs on the Prefect server: started once for the same order, and followed to their end."""

import sys
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, get_type_hints
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun, State
from prefect.exceptions import ObjectNotFound
from prefect.states import Scheduled
from prefect.utilities.urls import url_for
from rich.console import Console

from flows.catalogue import flow_named
from flows.deployments import NAME
from flows.errors import FAILED, TRY_AGAIN, RunFailed
from flows.options import print_json
from flows.orders import Order
from flows.outcomes import outcome_of
from flows.parameters import absolute
from flows.prefect_api import ServerDown, prefect_client

POLL = 2.0  # seconds between two looks at a run
SETTLED = 20.0  # seconds from the first word of a crash to the last
DEAF = 180.0  # seconds without an answer after which nobody waits any longer


class NotDeployed(LookupError):
    """The server does not know the flow."""

    def __init__(self, flow: str) -> None:
        super().__init__(
            f"the Prefect server does not know {flow}/{NAME}: `prompt-transfer deploy` registers it"
        )


@dataclass(frozen=True)
class Started:
    """A flow run on the server."""

    id: str
    name: str
    state: str
    url: str


def start(order: Order, again: bool = True) -> Started:
    """Start the flow that is ordered, unless the same order has a run already.

    One that failed, crashed or was cancelled is started again, as the same run: what it had
    finished is found in lineage.

    Args:
        order: the flow, and what it is called with.
        again: whether a run that did not end well is started again; no person asks where not.

    Raises:
        NotDeployed: the server does not know the flow.
        NoServer, ServerDown, NotAllowed: see `prefect_client`.
    """
    with prefect_client() as client:
        try:
            deployment = client.read_deployment_by_name(f"{order.flow}/{NAME}")
        except ObjectNotFound:
            raise NotDeployed(order.flow) from None
        run = client.create_flow_run_from_deployment(
            deployment.id, parameters=absolute(order.json), idempotency_key=order.key
        )
        if again and run.state and run.state.is_final() and not run.state.is_completed():
            _let_settle(run.state)
            client.set_flow_run_state(run.id, Scheduled(message="asked for again"), force=True)
            run = client.read_flow_run(run.id)
    return Started(str(run.id), run.name, run.state_name or "", _address(run.id))


def _let_settle(state: State) -> None:
    # Two of Prefect's processes tell of a crash, one after the other: asked for again in between,
    # the run would be taken for crashed once more.
    if state.is_crashed():
        age = (datetime.now(UTC) - state.timestamp).total_seconds()
        time.sleep(max(0.0, SETTLED - age))


def tell(started: Started, as_json: bool) -> None:
    """Print which run it is, and where it can be watched."""
    if as_json:
        print_json(asdict(started))
    else:
        sys.stdout.write(f"{started.id} {started.state}\n{started.url}\n")


def follow(order: Order, started: Started) -> Any:
    """Wait until a run has ended, and show how far it is; return its outcome.

    Raises:
        RunFailed: it failed, crashed or was cancelled.
        ServerDown: the server has not answered for minutes; the run goes on without us.
    """
    console = Console(stderr=True)
    say = partial(console.print, soft_wrap=True, markup=False, highlight=False)
    say(f"{started.id} {started.url}")
    heard, shown = time.monotonic(), ""
    with console.status("") as status:
        while True:
            try:
                with prefect_client() as client:
                    run = client.read_flow_run(UUID(started.id))
                    if run.state and run.state.is_final():
                        return _outcome(client, order, run, run.state)
                    line = f"{run.state_name}: {_steps(client, run)}"
                heard = time.monotonic()
            except ServerDown:
                if time.monotonic() - heard > DEAF:
                    raise
                line = "the server does not answer; the run goes on"
            status.update(line)
            if line != shown and not console.is_terminal:
                say(line)
            shown = line
            time.sleep(POLL)


def _outcome(client: SyncPrefectClient, order: Order, run: FlowRun, state: State) -> Any:
    left = outcome_of(client, run.id) or {}
    if state.is_completed() and "made" in left:
        kind = get_type_hints(flow_named(order.flow).fn)["return"]
        return kind.model_validate(left["made"])
    if state.is_failed() and "error" in left:
        raise RunFailed(left["error"], left["status"])
    # It had no time to say why: its machine or its worker is gone, or a person cancelled it.
    said = " ".join((state.message or "no word").split())[:300]
    raise RunFailed(
        f"flow run {run.id} ended as {state.name} ({said}): the same command starts it again, and "
        f"it goes on from its checkpoint; {_address(run.id)} has its log",
        TRY_AGAIN if state.is_crashed() else FAILED,
    )


def _steps(client: SyncPrefectClient, run: FlowRun) -> str:
    mine = {"flow_runs": {"id": {"any_": [str(run.id)]}}}
    ended = mine | {"task_runs": {"state": {"type": {"any_": ["COMPLETED", "FAILED", "CRASHED"]}}}}
    total, done = (
        client.request("POST", "/task_runs/count", json=what).json() for what in (mine, ended)
    )
    return f"{done} of {total} steps so far have ended"


def _address(run: UUID) -> str:
    return url_for("flow-run", obj_id=run) or ""
