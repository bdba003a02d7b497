"""Whether jobs have processes of their own, and what that leaves to the process of the flow."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from flows.devices import has_gpus
from flows.job_settings import JobSettings
from flows.settings import open_services
from pipelines.services import Services


def isolated() -> bool:
    """Say whether each job has a process of its own.

    Starting one takes seconds, for torch's sake. That buys a GPU that nobody else is on, and a flow
    that outlives its jobs; on a CPU, at a command line, neither is worth it.
    """
    under_worker = "PREFECT__FLOW_RUN_ID" in os.environ
    return under_worker or JobSettings.read().engine != "local" or has_gpus()


@contextmanager
def open_for_checks() -> Iterator[Services]:
    """Open services to look with: nothing is trained or scored, and jobs keep the GPUs."""
    with open_services(device="cpu" if isolated() else None) as svc:
        yield svc
