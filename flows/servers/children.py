"""The programs of `up`, as processes: started, watched, started again, and stopped as a whole."""

import os
import subprocess
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil

from flows.servers.plan import Program

PATIENCE = 25.0  # seconds that a program has to end; a job ends after its step
TRIES = 3  # quick ends in a row, after which all is given up
QUICK = 60.0  # seconds after its start


class ProgramEnds(Exception):
    """A program of `up` does not last."""

    def __init__(self, child: "Child", status: int, how: str) -> None:
        super().__init__(
            f"{child.program.name} ended {how} (status {status}; its last words: "
            f"{child.last_words()!r}): all is stopped; {child.log} has the rest"
        )


class Child:
    """One program. Its own session, so that Ctrl-C reaches `up` alone.

    Args:
        program: what to run.
        logs: the folder for what it prints.
        lock: a descriptor that it inherits, and holds as long as it lives.
    """

    def __init__(self, program: Program, logs: Path, lock: int) -> None:
        self.program = program
        self.log = logs / f"{program.name}.log"
        self._lock = lock
        self._quick_ends = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of its process; 0 before there is one."""
        return self._process.pid if self._process else 0

    @property
    def status(self) -> int | None:
        """With which it ended; None as long as it runs."""
        return self._process.poll() if self._process else None

    def start(self) -> None:
        """Start it."""
        # The log of the last time is kept: it may say why there is a next one.
        with suppress(FileNotFoundError):
            self.log.replace(self.log.with_suffix(".log.1"))
        self._run()

    def watch(self) -> str:
        """Start it again if it has ended; say so, or nothing.

        Raises:
            ProgramEnds: it does so too often.
        """
        status = self.status
        if status is None:
            return ""
        quick = time.monotonic() - self._began < QUICK
        self._quick_ends = self._quick_ends + 1 if quick else 1
        if self._quick_ends >= TRIES:
            raise ProgramEnds(self, status, f"{TRIES} times within a minute of its start")
        said = f"{self.program.name} ended (status {status}: {self.last_words()}): started again"
        self._run()
        return said

    def last_words(self) -> str:
        """Return the last line of its log that says something."""
        lines = [line for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        return lines[-1].strip()[:200] if lines else "nothing"

    def _run(self) -> None:
        with self.log.open("a") as log:
            self._process = subprocess.Popen(
                self.program.command,
                env={**os.environ, **self.program.environment},
                cwd=self.log.parent,  # no package of the user's folder may come before ours
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=(self._lock,),
            )
        self._began = time.monotonic()


def stop(pids: Iterable[int], patience: float = PATIENCE) -> None:
    """End processes and all that they started; kill what does not end in time."""
    found = [one for pid in pids if pid for one in _family(pid)]
    for process in found:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    _, alive = psutil.wait_procs(found, timeout=patience)
    for process in alive:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=5)


def _family(pid: int) -> list[psutil.Process]:
    try:
        head = psutil.Process(pid)
        return [head, *head.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
