"""Jobs that are submitted and waited for; the shapes in which flows keep them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from prefect.futures import wait
from prefect.task_runners import ThreadPoolTaskRunner

from flows import stopping
from flows.errors import JobsFailed
from flows.settings import Settings
from flows.steps import evaluate_step, publish_step
from pipelines.outcome import Trial
from pipelines.spec import EvaluateSpec

Future = Any  # a PrefectFuture; steps take one where they declare its result
FLOW: dict[str, Any] = {
    "persist_result": False,
    # Prefect's own default is a thread for each job: all of them at once.
    "task_runner": ThreadPoolTaskRunner(max_workers=Settings.read().workers),
}


class Jobs(NamedTuple):
    """A prompt being trained, and its test, which waits for it."""

    trained: Future
    tested: Future

    def result(self) -> Trial:
        """Return the ids of both runs."""
        return Trial(trained=self.trained.result(), tested=self.tested.result())


def later(step: Any, *given: Any) -> Future:
    """Submit a job; of what its step declares it may be given futures."""
    return step.submit(*given)  # Prefect's types do not know that


def tested(tests: Sequence[EvaluateSpec], trained: Sequence[Future]) -> list[Jobs]:
    """Submit the test of each training.

    A job that waits holds a worker: submit all trainings before any test.
    """
    return [
        Jobs(run, later(evaluate_step, test, run)) for test, run in zip(tests, trained, strict=True)
    ]


def wait_for(parts: dict[str, list[Future]]) -> None:
    """Wait for all jobs of all parts, and pass a stop on to them."""
    with stopping.passed_on():
        wait([future for jobs in parts.values() for future in jobs])


def settle(parts: dict[str, list[Future]], what: str) -> None:
    """Wait for all jobs of all parts; then fail if any did.

    Raises:
        JobsFailed: with the first error of each part that failed.
    """
    wait_for(parts)
    errors = {name: _error(jobs) for name, jobs in parts.items()}
    if failed := {name: error for name, error in errors.items() if error}:
        publish_step()  # what the others made is done
        raise JobsFailed(failed, len(parts), what)


def _error(jobs: Sequence[Future]) -> BaseException | None:
    """Return the error of the first job that failed, if one did."""
    for job in jobs:
        if not job.state.is_completed():
            error: BaseException = job.state.result(raise_on_failure=False)
            return error
    return None
