"""Flow runs whose process died: marked as crashed, and started again."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from flows.servers.api import post
from flows.servers.plan import POOL

TRIES = 3  # starts of one flow run, after which it is a person's to look at
LATELY = timedelta(days=1)  # what crashed before is not dug up
BUSY = ("PENDING", "RUNNING", "CANCELLING")


def bury(server: Mapping[str, str], alive: Collection[str]) -> list[str]:
    """Mark as crashed the runs that Prefect takes for running, and whose process is not `alive`.

    Only for who knows all processes of all workers: `up`, before it starts its own.
    """
    dead = [one for one in _runs(server, *BUSY) if one["id"] not in alive]
    for one in dead:
        state = "CANCELLED" if one["state_type"] == "CANCELLING" else "CRASHED"
        _set(server, one, state, "its process ended with the machine, or with `up`")
    return [one["id"] for one in dead]


def revive(server: Mapping[str, str], alive: Collection[str]) -> list[str]:
    """Start again the runs that crashed lately: they go on from their checkpoints.

    One that crashes each time is left alone after a few, and so is what is `alive` all the same.
    """
    crashed = [
        one
        for one in _runs(server, "CRASHED")
        if one["run_count"] < TRIES and one["id"] not in alive and _is_recent(one)
    ]
    for one in crashed:
        said = f"its process died; this is start {one['run_count'] + 1} of {TRIES}"
        _set(server, one, "SCHEDULED", said)
    return [one["id"] for one in crashed]


def _is_recent(run: Mapping[str, Any]) -> bool:
    return datetime.fromisoformat(run["state"]["timestamp"]) > datetime.now(UTC) - LATELY


def _set(server: Mapping[str, str], run: Mapping[str, Any], state: str, said: str) -> None:
    details = {"scheduled_time": datetime.now(UTC).isoformat()} if state == "SCHEDULED" else {}
    new = {"type": state, "message": said, "state_details": details}
    post(server, f"/flow_runs/{run['id']}/set_state", {"state": new, "force": True})


def _runs(server: Mapping[str, str], *states: str) -> list[dict[str, Any]]:
    wanted = {
        "work_pools": {"name": {"any_": [POOL]}},
        "flow_runs": {"state": {"type": {"any_": list(states)}}},
        "sort": "EXPECTED_START_TIME_DESC",
    }
    found: list[dict[str, Any]] = post(server, "/flow_runs/filter", wanted) or []
    return found
