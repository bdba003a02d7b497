"""Steps on a Ray cluster: each that computes asks Ray for a GPU, where the cluster has any."""

import sys
from collections.abc import Iterable
from contextlib import ExitStack, redirect_stdout
from typing import Any, Self

import ray
from prefect.futures import PrefectFuture
from prefect.task_runners import TaskRunner
from prefect_ray.context import remote_options
from prefect_ray.task_runners import RayTaskRunner

from flows.steps import LIGHT

RETRIES = 3  # of a step whose worker was killed


class RayRunner(TaskRunner[Any]):
    """Prefect's own, which leaves the accounting of GPUs to Ray.

    Ray hides the GPUs from a step that asks for none; so all but the light ones ask for one.

    Args:
        cluster: the address of one, or empty for one on this machine.
        workers: processes of that; 0 is one for each core.
    """

    def __init__(self, cluster: str, workers: int = 0) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        own = {"include_dashboard": False, "log_to_driver": False, "num_cpus": workers or None}
        self._given = cluster, workers
        theirs: Any = RayTaskRunner  # its types are there only where it is installed
        self._runner = theirs(cluster or None, {} if cluster else own)
        self._gpus = 0
        self._opened = ExitStack()

    def duplicate(self) -> Self:
        """Return a new one with the same arguments."""
        return type(self)(*self._given)

    def __enter__(self) -> Self:
        """Start, or find, the cluster."""
        # Ray tells there of workers that died; but it is for answers.
        self._opened.enter_context(redirect_stdout(sys.stderr))
        self._opened.enter_context(self._runner)
        cluster: Any = ray
        self._gpus = cluster.cluster_resources().get("GPU", 0)
        return self

    def __exit__(self, *how: Any) -> None:
        """Leave it."""
        self._opened.__exit__(*how)

    def submit(
        self,
        task: Any,
        parameters: dict[str, Any],
        wait_for: Iterable[PrefectFuture[Any]] | None = None,
        dependencies: dict[str, Any] | None = None,
    ) -> Any:
        """Submit a step."""
        gpus = int(task not in LIGHT and self._gpus > 0)
        with remote_options(num_gpus=gpus, max_retries=RETRIES):
            return self._runner.submit(task, parameters, wait_for, dependencies)
