"""A job's own process, forked by `flows.nursery` for `flows.supervisor`.

The first line of standard input says what to run, and the end of it that the supervisor is gone.
Standard output is for the supervisor alone, standard error is the job's log.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from threading import Lock, Thread
from typing import IO, Any

import torch

from flows import wire
from flows.job_log import keep_all, logger, noting
from flows.settings import open_services
from pipelines.job import Job, run
from pipelines.locks import Busy
from pipelines.services import OnStep, Services

ORPHANED = 75  # exit status
TOLD = 0.2  # seconds from one step that is told to the next
PATIENCE = 15.0  # seconds for which another process may still be at the same run


def main() -> None:
    """Run the job that standard input names, and tell its supervisor how it ended."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # it is recorded as failed
    asked = wire.Asked(**json.loads(_first_line()))
    os.environ.clear()
    os.environ.update(asked.environment)
    Thread(target=_end_with_supervisor, daemon=True).start()
    signal.alarm(asked.seconds)  # by the kernel: also where Python hangs
    told = Teller(_own_output())
    told.line(wire.answers(_run(asked, told)))
    os._exit(0)  # all is written; what torch and CUDA tidy up would take a while


def _first_line() -> bytes:
    # Not through `sys.stdin`: its buffer would be locked when the process ends.
    line = b""
    while not line.endswith(b"\n"):
        line += _more()
    return line


def _more() -> bytes:
    some = os.read(0, 2**16)
    if not some:
        os._exit(ORPHANED)
    return some


def _end_with_supervisor() -> None:
    while _more():
        pass


def _own_output() -> IO[str]:
    """Return what was standard output; what libraries print goes to the log from here on."""
    mine = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return mine


class Teller:
    """Tells the supervisor how far the trainings of this job have come."""

    def __init__(self, out: IO[str]) -> None:
        self._out = out
        self._lock = Lock()
        self._bars = count()

    def line(self, values: dict[str, Any]) -> None:
        """Write one line."""
        with self._lock:
            self._out.write(json.dumps(values) + "\n")
            self._out.flush()

    @contextmanager
    def progress(self, stage: str, task: str, steps: int) -> Iterator[OnStep]:
        """Tell of one training; the block calls what it gets after each step."""
        bar, said = next(self._bars), 0.0
        self.line({"bar": bar, "began": [stage, task, steps]})

        def stepped(step: int, loss: float) -> None:
            nonlocal said
            now = time.monotonic()
            if step == steps or now >= said + TOLD:
                said = now
                self.line({"bar": bar, "step": step, "loss": loss})

        yield stepped


def _run(asked: wire.Asked, told: Teller) -> list[str | Exception]:
    keep_all(sys.stderr)
    job = Job.model_validate(asked.job)
    logger.info("job %s begins in process %d: %s", job.id, os.getpid(), job.model_dump_json())
    try:
        _stay_within(asked.fraction)
        with open_services(noting(told.progress), Path(asked.log)) as svc:
            return _patiently(job, svc)
    except Exception as error:  # noqa: BLE001, the supervisor raises it
        logger.info("failed", exc_info=True)
        return [error] * len(job.specs)


def _stay_within(fraction: float) -> None:
    """See that a job that needs too much memory ends itself, and not its neighbours."""
    if fraction < 1 and torch.cuda.is_available():
        torch.cuda.set_per_process_memory_fraction(fraction)


def _patiently(job: Job, svc: Services) -> list[str | Exception]:
    """Run the job, also where the process of an earlier attempt is only just ending."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            found = run(job, svc)
        except Busy:
            if time.monotonic() >= until:
                raise
        else:
            if time.monotonic() >= until or not any(isinstance(one, Busy) for one in found):
                return found
        time.sleep(TOLD)
