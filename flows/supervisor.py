"""One process for each job, and one thread that watches it: a kill costs that job, never the flow.

It holds its part of a GPU by locks that it inherits, and ends when its supervisor does: its
standard input is a pipe that then breaks. A process that was killed is started again, and goes on
from its checkpoint; one that is killed again and again is given up.
"""

import json
import os
import select
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import IO, Any

from flows import display, stopping
from flows.devices import devices, own_need
from flows.job_log import log_file
from flows.job_settings import JobSettings
from flows.line import POLL, Line
from flows.nursery import Nursery
from flows.settings import Settings
from flows.slots import Need, Slot
from flows.wire import Asked, found
from pipelines.job import Job
from pipelines.services import OnStep

ATTEMPTS = 3  # processes for one job
GRACE = 20.0  # seconds from "please end" to "end"

_line = Line()  # of this process's jobs, for slots
_nursery = Nursery()  # of theirs


class JobDied(Exception):
    """The process of a job was killed as often as it was started."""

    def __init__(self, title: str, job: str, ended: str) -> None:
        super().__init__(
            f"{title}: its process was started {ATTEMPTS} times and ended each time without a "
            f"word, at last by {ended}: see `prompt-transfer logs {job}`"
        )


def supervise(job: Job, title: str, needed: int) -> list[str | Exception]:
    """Run `job` in a process of its own; return the run id of each spec, or what it failed of.

    Args:
        job: what is to be run.
        title: what people call it.
        needed: the bytes of a GPU that it is expected to need.

    Raises:
        JobDied: it was killed as often as it was started.
    """
    need = own_need(needed)
    for _ in range(ATTEMPTS):
        with _slot(need, title) as slot:
            told, ended = _attempt(job, slot)
        if told is None:
            continue
        results = found(told)
        if not _memory_ended(results) or slot.fraction == 1:
            return results
        need = Need(2 * need.bytes, need.cores)  # the estimate was too low
    if told is None:
        raise JobDied(title, job.id, ended)
    return results


def _memory_ended(results: Sequence[str | Exception]) -> bool:
    return any(type(one).__name__ == "OutOfMemoryError" for one in results)


@contextmanager
def _slot(need: Need, title: str) -> Iterator[Slot]:
    folder = JobSettings.read().slots
    with _line.standing(need, title, folder) as place:
        while not (slot := _line.take(place, folder, devices())):
            stopping.check()
            time.sleep(POLL)
    with slot:
        yield slot


def _attempt(job: Job, slot: Slot) -> tuple[dict[str, Any] | None, str]:
    """Start the process and wait for its end; return its last word, if any, and how it ended."""
    log = log_file(Settings.read().home, job.id)
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "ab") as said:
        child = _nursery.child(said, slot.descriptors)
    asked = Asked(
        job=job.model_dump(mode="json"), log=str(log), fraction=slot.fraction,
        seconds=JobSettings.read().job_seconds, environment=_environment(slot),
    )  # fmt: skip
    with child:
        try:
            _send(child.stdin, asked)
            told = _follow(child.stdout)
            child.wait()
            return told, child.ending
        finally:
            child.end(GRACE)  # before its standard input breaks: it shall say that it failed


def _send(pipe: IO[bytes], asked: Asked) -> None:
    with suppress(BrokenPipeError):  # it is dead already, which its end tells
        pipe.write(asked.line())


def _environment(slot: Slot) -> dict[str, str]:
    device = {"CUDA_VISIBLE_DEVICES": slot.device.visible, "PROMPT_TRANSFER_DEVICE": "auto"}
    return {**os.environ, **(device if slot.device.visible else {})}


def _follow(pipe: IO[bytes]) -> dict[str, Any] | None:
    """Show what the job tells until its end; return its last word, if it had one."""
    with ExitStack() as shown:
        bars: dict[int, OnStep] = {}
        for line in _lines(pipe):
            told: dict[str, Any] = json.loads(line)
            if "answers" in told:
                return told
            if "began" in told:
                bars[told["bar"]] = shown.enter_context(display.job(*told["began"]))
            elif "step" in told:
                bars[told["bar"]](told["step"], told["loss"])
    return None


def _lines(pipe: IO[bytes]) -> Iterator[bytes]:
    """Yield whole lines; look up now and then whether all shall stop."""
    ready, rest = select.poll(), b""
    ready.register(pipe, select.POLLIN)
    while True:
        stopping.check()
        if not ready.poll(1000 * POLL):
            continue
        some = os.read(pipe.fileno(), 2**16)
        if not some:
            return
        *whole, rest = (rest + some).split(b"\n")
        yield from whole
