"""Jobs that are planned and waited for; the shapes in which flows keep them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from flows import watching
from flows.engines import at_once, task_runner
from flows.errors import JobsFailed
from flows.line import FULL
from flows.planned import Planned, dispatch
from flows.steps import evaluate_step, publish_step
from pipelines.outcome import Trial
from pipelines.spec import EvaluateSpec

FLOW: dict[str, Any] = {"persist_result": False}


class Jobs(NamedTuple):
    """A prompt being trained, and its test, which waits for it."""

    trained: Planned
    tested: Planned

    def result(self) -> Trial:
        """Return the ids of both runs."""
        return Trial(trained=self.trained.result(), tested=self.tested.result())


def later(step: Any, *given: Any, rank: int = FULL) -> Planned:
    """Plan a job; of what its step declares it may be given what other planned steps return."""
    return Planned(step, given, rank)


def tested(tests: Sequence[EvaluateSpec], trained: Sequence[Planned]) -> list[Jobs]:
    """Plan the test of each training, as urgent as that is."""
    return [
        Jobs(run, later(evaluate_step, test, run, rank=run.rank))
        for test, run in zip(tests, trained, strict=True)
    ]


def wait_for(parts: dict[str, list[Planned]]) -> None:
    """Run all jobs of all parts, and pass a stop on to them."""
    jobs = [job for some in parts.values() for job in some]
    dispatch(jobs, task_runner(), at_once(), watching.Progress())


def settle(parts: dict[str, list[Planned]], what: str) -> None:
    """Run all jobs of all parts; then fail if any did.

    Raises:
        JobsFailed: with the first error of each part that failed.
    """
    wait_for(parts)
    if failed := watching.errors_of(parts):
        publish_step()  # what the others made is done
        watching.show(parts, what)
        watching.tell(failed)
        raise JobsFailed(failed, len(parts), what)


def finish(parts: dict[str, list[Planned]], what: str) -> str:
    """Run all jobs of all parts, and show what they made; see `settle`.

    Returns:
        Why the model registry lacks their prompts; nothing, if it has them.
    """
    settle(parts, what)
    unregistered: str = publish_step()
    watching.show(parts, what)
    return unregistered
