"""Who starts jobs: one setting chooses, and no flow knows."""

from typing import Any

from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from flows.devices import devices
from flows.isolation import isolated
from flows.job_settings import JobSettings

KNOWN = 64  # steps that Prefect knows of at a time, where a cluster decides how many run


def at_once() -> int:
    """Return how many steps are under way at a time."""
    settings = JobSettings.read()
    if settings.workers:
        return settings.workers
    if settings.engine != "local":
        return KNOWN
    return sum(one.shares for one in devices() if one.bytes and isolated()) or 1


def task_runner() -> TaskRunner[Any]:
    """Return what takes steps for this process's engine."""
    return ThreadPoolTaskRunner(max_workers=at_once())
