"""Jobs that are planned, and a dispatcher that has Prefect take a few of them at a time.

A flow plans all of its jobs; of ten thousand, Prefect and its server know only those that are under
way. Nothing waits inside a worker: a job is submitted when all that it reads is there.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from graphlib import TopologicalSorter
from heapq import heappop, heappush
from typing import Any

from prefect.client.schemas.objects import RunInput, TaskRunResult
from prefect.task_runners import TaskRunner

from flows import stopping
from flows.line import rank


@dataclass(eq=False)
class Planned:
    """A step that will be taken when its turn comes."""

    step: Any
    given: tuple[Any, ...]
    """Its arguments; a planned step, or a list of them, stands for what that returns."""
    rank: int
    ended: bool = False
    error: BaseException | None = None
    """What it failed of, or what something that it reads did."""
    _value: Any = None
    _task_run: Any = None

    def result(self) -> Any:
        """Return what the step returned, or raise what it failed of."""
        assert self.ended, "it has not been dispatched"
        if self.error:
            raise self.error
        return self._value

    @property
    def reads(self) -> Iterator["Planned"]:
        """What has to be there before."""
        for one in self.given:
            yield from _planned(one)

    def submit(self, runner: TaskRunner[Any]) -> Any:
        """Hand it to Prefect; return Prefect's future."""
        names = list(inspect.signature(self.step.fn).parameters)
        given = dict(zip(names, self.given, strict=True))
        inputs: dict[str, set[RunInput]] = {
            name: {TaskRunResult(id=one._task_run) for one in _planned(value) if one._task_run}
            for name, value in given.items()
        }
        values = {name: _value(value) for name, value in given.items()}
        mine = rank.set(self.rank)  # the thread that takes the step inherits it
        try:
            future = runner.submit(self.step, values, dependencies=inputs)
        finally:
            rank.reset(mine)
        self._task_run = future.task_run_id
        return future

    def end(self, carried: Future[Any]) -> None:
        """Keep how it ended."""
        self.ended, self.error = True, carried.exception()
        if not self.error:
            self._value = carried.result()


def _planned(given: Any) -> Iterator[Planned]:
    if isinstance(given, Planned):
        yield given
    elif isinstance(given, list):
        yield from (one for one in given if isinstance(one, Planned))


def _value(given: Any) -> Any:
    if isinstance(given, Planned):
        return given.result()
    return [_value(one) for one in given] if isinstance(given, list) else given


def nobody(ended: int, of: int) -> None:
    """Tell nobody."""


def dispatch(
    wanted: Iterable[Planned],
    runner: TaskRunner[Any],
    at_once: int,
    on_end: Callable[[int, int], None] = nobody,
) -> None:
    """Take `wanted`, and all that they read: the lowest rank first, then as they stand there.

    Args:
        wanted: what shall have ended when this returns.
        runner: of Prefect's; it is opened and closed.
        at_once: so many steps are known to Prefect at a time.
        on_end: called after each step with how many have ended, and how many there are.
    """
    numbers: dict[Planned, int] = {}
    for one in wanted:
        _number(one, numbers)
    if not numbers:
        return
    sorter = TopologicalSorter(
        {job: [one for one in job.reads if not one.ended] for job in numbers}
    )
    sorter.prepare()
    ready: list[tuple[int, int, Planned]] = []
    under_way: dict[Future[Any], Planned] = {}
    ended = 0
    # A thread waits for each step: only that is alike for all runners. They end after `runner` has.
    with ThreadPoolExecutor(at_once) as carriers, runner, stopping.passed_on():
        while sorter.is_active():
            for job in sorter.get_ready():
                heappush(ready, (job.rank, numbers[job], job))
            while ready and len(under_way) < at_once:
                job = heappop(ready)[-1]
                under_way[carriers.submit(_carried(job, runner))] = job
            for carried in wait(under_way, return_when=FIRST_COMPLETED).done:
                job = under_way.pop(carried)
                job.end(carried)
                sorter.done(job)
                ended += 1
                on_end(ended, len(numbers))


def _carried(job: Planned, runner: TaskRunner[Any]) -> Callable[[], Any]:
    """Submit a step; return what waits for its end. One whose readings failed fails as they did."""
    future = next((one for one in job.reads if one.error), None) or job.submit(runner)
    return future.result


def _number(job: Planned, numbers: dict[Planned, int]) -> None:
    """Number all that has not ended, what is read before who reads it."""
    if job.ended or job in numbers:
        return
    for one in job.reads:
        _number(one, numbers)
    numbers[job] = len(numbers)
