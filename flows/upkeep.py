"""The flow that mends what crashes leave behind; a schedule starts it every few minutes."""

import prefect

from flows.settings import open_lineage


# Not the other flows' options: those import torch, and this runs every few minutes.
@prefect.flow(flow_run_name="reconcile", persist_result=False)
def reconcile() -> list[str]:
    """Give up the runs in lineage that nobody works on any more; return their ids."""
    with open_lineage() as lineage:
        return lineage.reap()
