"""Jobs are planned, and taken a few at a time: the urgent first, each when its turn comes."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock
from types import SimpleNamespace
from uuid import uuid4

import pytest
from prefect.task_runners import TaskRunner

from flows.line import FEW_SHOT, FULL, SWEEP, rank
from flows.planned import Planned, dispatch


class Plain(TaskRunner):
    """Takes steps in threads, and counts those that it knows; no server."""

    def __init__(self):
        super().__init__()
        self._pool = ThreadPoolExecutor(8)
        self._lock = Lock()
        self.known = self.most = 0

    def duplicate(self):
        return self

    def submit(self, task, parameters, wait_for=None, dependencies=None):
        with self._lock:
            self.known += 1
            self.most = max(self.most, self.known)
        future = self._pool.submit(self._take, task, parameters)
        return SimpleNamespace(result=future.result, task_run_id=uuid4())

    def _take(self, task, parameters):
        try:
            return task.fn(**parameters)
        finally:
            with self._lock:
                self.known -= 1


def later(does, *given, rank=FULL):
    return Planned(SimpleNamespace(fn=does), given, rank)


def test_a_job_gets_what_those_that_it_reads_returned():
    one, two = later(lambda: 1), later(lambda: 2)
    total = later(lambda numbers, more: sum(numbers) + more, [one, two], one)
    dispatch([total], Plain(), at_once=3)
    assert total.result() == 4


def test_the_urgent_go_first_and_equals_in_their_order():
    order = []

    def note(what):
        order.append(what)

    jobs = [
        later(note, (name, at), rank=at) for at in (SWEEP, FULL, FEW_SHOT) for name in ("a", "b")
    ]
    dispatch(jobs, Plain(), at_once=1)
    assert order == [(name, at) for at in (FEW_SHOT, FULL, SWEEP) for name in ("a", "b")]
    assert rank.get() == FULL  # that of a job stays with the job


def test_a_job_that_fails_stops_those_that_read_it_and_no_others():
    taken = []

    def fail():
        raise ValueError("no")

    bad, fine = later(fail), later(lambda: taken.append("fine"))
    behind = later(lambda x, y: taken.append("behind"), bad, fine)
    far = later(lambda x: taken.append("far"), behind)
    dispatch([far, fine], Plain(), at_once=2)
    assert taken == ["fine"]
    with pytest.raises(ValueError, match="no"):
        far.result()
    assert fine.error is None


def test_of_ten_thousand_jobs_prefect_knows_a_few():
    runner = Plain()
    jobs = [later(lambda at: at, at) for at in range(10_000)]
    began = time.monotonic()
    dispatch(jobs, runner, at_once=4)
    assert [job.result() for job in jobs] == list(range(10_000))
    assert runner.most <= 4
    assert time.monotonic() - began < 30


def test_what_has_ended_is_not_taken_again():
    taken = []

    def note(what):
        taken.append(what)
        return 2

    first = later(note, 1)
    dispatch([first], Plain(), at_once=1)
    dispatch([first, later(note, first)], Plain(), at_once=1)
    dispatch([], Plain(), at_once=1)
    assert taken == [1, 2]


def test_a_stop_ends_the_jobs_that_are_under_way(monkeypatch):
    from flows import stopping

    monkeypatch.setattr(stopping, "_asked", Event())  # or whatever runs here later would stop too

    def work():
        while True:
            stopping.check()
            time.sleep(0.01)

    def stop():
        raise KeyboardInterrupt

    runner = Plain()
    busy = later(work)
    submit, runner.submit = runner.submit, lambda task, *a, **k: (
        stop() if task.fn is stop else submit(task, *a, **k)
    )  # fmt: skip
    with pytest.raises(KeyboardInterrupt):
        dispatch([busy, later(stop)], runner, at_once=2)
