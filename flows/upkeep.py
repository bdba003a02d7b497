"""The flow that mends what crashes leave behind, and starts what is due; a schedule starts it."""

import os

import prefect
from pydantic import BaseModel

from flows.settings import Settings, open_lineage


class Mended(BaseModel):
    """What was done."""

    given_up: list[str]
    """Runs in lineage that nobody worked on."""
    revived: list[str]
    """Flow runs that had crashed, and are started again."""
    ordered: dict[str, str]
    """Adaptations that were due: their flow runs, by task."""
    refused: dict[str, str]
    """Adaptations that are due and cannot be started, and why."""


# Not the other flows' options: those import torch, and this runs every few minutes.
@prefect.flow(flow_run_name="reconcile", persist_result=False)
def reconcile() -> Mended:
    """Give up runs that nobody works on, start crashed ones again, and start what is due."""
    from flows.servers.flow_runs import alive
    from flows.servers.reviving import revive
    from flows.triggers import order_due

    with open_lineage() as lineage:
        given_up = lineage.reap()
    revived = revive(os.environ, alive(Settings.read().home))
    told = order_due()
    done = Mended(given_up=given_up, revived=revived, ordered=told.runs, refused=told.refused)
    prefect.get_run_logger().info(done.model_dump_json())
    return done
