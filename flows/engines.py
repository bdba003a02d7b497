"""Who starts jobs: one setting chooses, and no flow knows."""

import os
import re
import socket
from typing import Any

from prefect.settings import PREFECT_API_URL
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from flows.devices import devices
from flows.job_settings import JobSettings
from flows.settings import BadSetting, Settings

ANSWERS = 10.0  # seconds in which a cluster must answer
ADDRESS = re.compile(r"(?:\w+://)?(?P<host>.+):(?P<port>\d+)/?")
KNOWN = 64  # steps that Prefect knows of at a time, where a cluster decides how many run


def at_once() -> int:
    """Return how many steps are under way at a time."""
    if workers := Settings.read().workers:
        return workers
    if JobSettings.read().engine != "local":
        return KNOWN
    return sum(one.shares for one in devices() if one.bytes) or 1


class NoCluster(ConnectionError):
    """The cluster that jobs are to run on cannot be reached. Waiting may cure it."""

    try_again = True

    def __init__(self, engine: str, cluster: str, error: OSError) -> None:
        super().__init__(
            f"no {engine} cluster answers at {cluster} ({error}): see that it is up and "
            "PROMPT_TRANSFER_CLUSTER right, and try again"
        )


def task_runner() -> TaskRunner[Any]:
    """Return what takes steps for this process's engine.

    Raises:
        BadSetting: the engine's library is not installed, or other machines know no server.
        NoCluster: nobody answers at the address of the cluster.
    """
    settings = JobSettings.read()
    if settings.engine != "local" and not PREFECT_API_URL.value():
        raise BadSetting(
            "engine", settings.engine, "a Prefect server too, by PREFECT_API_URL, or engine local"
        )
    if settings.engine in {"dask", "ray"}:
        _reach(settings.engine, settings.cluster)
    try:
        match settings.engine:
            case "dask":
                return _dask(settings.cluster)
            case "ray":
                return _ray(settings.cluster)
    except ImportError:
        wanted = f"install prompt-transfer[{settings.engine}], or local"
        raise BadSetting("engine", settings.engine, wanted) from None
    return ThreadPoolTaskRunner(max_workers=at_once())


def _reach(engine: str, cluster: str) -> None:
    # Their own clients try for minutes, and end in a traceback.
    if where := ADDRESS.fullmatch(cluster):
        try:
            socket.create_connection((where["host"], int(where["port"])), timeout=ANSWERS).close()
        except OSError as error:
            raise NoCluster(engine, cluster, error) from error


def _dask(cluster: str) -> TaskRunner[Any]:
    from prefect_dask.task_runners import DaskTaskRunner

    # One job to a worker: its thread supervises the job's own process.
    workers = Settings.read().workers or os.cpu_count()
    own = {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": None}
    given = {"address": cluster} if cluster else {"cluster_kwargs": own}
    runner: TaskRunner[Any] = DaskTaskRunner(**given)
    return runner


def _ray(cluster: str) -> TaskRunner[Any]:
    from flows.ray_runner import RayRunner

    return RayRunner(cluster, Settings.read().workers)
