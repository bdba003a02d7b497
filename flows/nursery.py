"""Where the processes of jobs come from: one process that has imported all they need, and forks.

To import torch and transformers takes seconds, which each job would pay. A nursery pays them once
for all jobs of a flow. It computes nothing and touches no GPU, or what it forks would be broken.

A job's four pipes and its locks come as descriptors through the nursery's standard input. It ends
when that does, which is when the process of the flow ends.
"""

import gc
import os
import select
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Lock
from typing import IO, Self

from flows.settings import Settings, prepare_environment

MOST = 253  # descriptors in one message; the kernel's limit
MARK = b"j"  # a message needs one byte beside its descriptors


class Child:
    """A job's process, as its supervisor has it: pipes, and how it ended."""

    def __init__(self, stdin: int, stdout: int, told: int) -> None:
        self.stdin: IO[bytes] = os.fdopen(stdin, "wb", buffering=0)
        self.stdout: IO[bytes] = os.fdopen(stdout, "rb", buffering=0)
        self._told: IO[bytes] = os.fdopen(told, "rb", buffering=0)
        self._said = b""
        self._is_over = False

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end of the process; say whether it has ended."""
        while not self._is_over and select.select([self._told], [], [], timeout)[0]:
            some = self._told.read(64)
            self._said += some
            self._is_over = not some
        return self._is_over

    @property
    def ending(self) -> str:
        """How it ended, after `wait`."""
        _, _, status = self._said.partition(b"\n")
        if not status:
            return "the death of what started it"
        code = int(status)
        return signal.Signals(-code).name if code < 0 else f"exit status {code}"

    def end(self, grace: float) -> None:
        """See that it is gone: it is asked, and killed `grace` seconds later."""
        for number, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, None)):
            if self.wait(0):
                return
            pid, born, _ = self._said.partition(b"\n")
            if not born:  # it will find that nobody wants it any more
                return
            with suppress(ProcessLookupError):
                os.kill(int(pid), number)
            self.wait(patience)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for one in (self.stdin, self.stdout, self._told):
            one.close()


class Nursery:
    """A nursery of this process: started when the first job is, and again if it was killed."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._socket: socket.socket | None = None

    def child(self, log: IO[bytes], locks: Sequence[int]) -> Child:
        """Return a new process that does what `flows.job` does.

        Args:
            log: what it says goes there.
            locks: descriptors that it shall hold.
        """
        with ExitStack() as theirs:
            (stdin, asks), (hears, stdout), (told, ends) = (os.pipe() for _ in range(3))
            for one in (stdin, stdout, ends):
                theirs.callback(os.close, one)
            given = [stdin, stdout, log.fileno(), ends, *locks]
            with self._lock:
                try:
                    socket.send_fds(self._socket or self._start(log), [MARK], given)
                except (BrokenPipeError, ConnectionResetError):  # it was killed
                    socket.send_fds(self._start(log), [MARK], given)
        return Child(asks, hears, told)

    def _start(self, log: IO[bytes]) -> socket.socket:
        if self._socket:
            self._socket.close()
        self._socket, its = socket.socketpair()
        ours = str(Path(__file__).parents[1])
        paths = [ours, *filter(None, [os.environ.get("PYTHONPATH")])]
        with its:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "flows.nursery"],
                stdin=its.fileno(), stdout=subprocess.DEVNULL, stderr=log,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
                start_new_session=True,  # Ctrl-C is for the flow, which passes it on
            )  # fmt: skip
        return self._socket


def main() -> None:
    """Fork a job for each message, until standard input ends."""
    prepare_environment(Settings.read())  # before torch is imported
    gc.disable()  # imports leave none, and to look for it takes a fifth of their time
    from flows import job

    gc.freeze()  # else to look for garbage would copy all pages in each job
    gc.enable()
    ends: dict[int, int] = {}
    died, told = os.pipe()
    os.set_blocking(told, False)
    signal.set_wakeup_fd(told)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    with socket.socket(fileno=0) as asked:
        while True:
            ready, _, _ = select.select([asked.fileno(), died], [], [])
            if died in ready:
                os.read(died, 4096)
                _tell(ends)
            if asked.fileno() in ready:
                mark, given, _, _ = socket.recv_fds(asked, 1, MOST)
                if not mark:
                    os._exit(0)
                _fork(given, ends, job.main)


def _fork(given: list[int], ends: dict[int, int], run: Callable[[], None]) -> None:
    *standard, end = given[:4]
    pid = os.fork()
    if not pid:
        _be_born(standard, [end, *ends.values()], run)
    ends[pid] = end
    _say(end, f"{pid}\n")
    for one in (*standard, *given[4:]):
        os.close(one)


def _be_born(standard: list[int], others: list[int], run: Callable[[], None]) -> None:
    """Be the job; never return. Its locks stay open, whatever their numbers are."""
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        for number, one in enumerate(standard):
            os.dup2(one, number)
            os.close(one)
        for one in others:  # or the end of one job would be heard when the last one ends
            os.close(one)
        run()
    except BaseException:  # noqa: BLE001, it goes to the job's log, and nobody is above
        traceback.print_exc()
    finally:
        os._exit(1)


def _tell(ends: dict[int, int]) -> None:
    """Tell the supervisors of jobs that have ended how they did."""
    while ends:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        end = ends.pop(pid)
        _say(end, str(os.waitstatus_to_exitcode(status)))
        os.close(end)


def _say(end: int, line: str) -> None:
    with suppress(BrokenPipeError):  # nobody listens any more
        os.write(end, line.encode())


if __name__ == "__main__":
    main()
