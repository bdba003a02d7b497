"""What a job says while it runs: a file for each, found by the id of the job or of its runs."""

import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import IO, TYPE_CHECKING

from flows.errors import OURS
from pipelines.lineage import Lineage
from pipelines.recording import Recording
from pipelines.records import Request

if TYPE_CHECKING:
    from pipelines.services import OnStep, Progress

logger = logging.getLogger(__name__)
"""Says what is worth keeping of a job."""

FORM = "%(asctime)s %(levelname)s %(message)s"
EVERY = 10.0  # seconds from one line on a training to the next


class NoLog(LookupError):
    """No job that is known here has left a log."""

    names_a_prompt = True

    def __init__(self, name: str, folder: Path) -> None:
        super().__init__(
            f"no log in {folder} is that of {name!r}: give the id of a run or a job, or 6 or more "
            "digits of it; --home says where to look"
        )


def log_file(home: Path, job: str) -> Path:
    """Return where the log of a job is."""
    return home / "logs" / f"{job}.log"


class NamedRuns(Lineage):
    """Lineage, by whose run ids a log is found too, however the runs end."""

    def __init__(self, lineage: Lineage, log: Path) -> None:
        super().__init__(lineage.database.engine, lineage.locks, lineage.heartbeat, lineage.sinks)
        self._log = log

    @contextmanager
    def record(self, request: Request) -> Iterator[Recording]:
        """Open a run; see `Lineage.record`."""
        with super().record(request) as run:
            link = self._log.parent / f"{run.id}.log"
            link.symlink_to(self._log.name)
            about = request.stage, request.task, request.seed
            logger.info("run %s: %s %s seed %d, attempt %d", run.id, *about, run.attempt)
            yield run


def find_log(home: Path, name: str) -> Path:
    """Return the log of a job or a run, by the first 6 or more digits of its id.

    Raises:
        NoLog: there is none, or there are several.
    """
    folder = home / "logs"
    if not re.fullmatch("[0-9a-f]{6,32}", name):  # it becomes a path
        raise NoLog(name, folder)
    found = {one.resolve() for one in folder.glob(f"{name}*.log")}
    if len(found) != 1:
        raise NoLog(name, folder)
    return found.pop()


def keep_all(to: IO[str]) -> None:
    """Write to `to` all that this process says, from here on."""
    _attach(logging.StreamHandler(to))


_owners: set[int] = set()  # threads whose job has a log of its own


@contextmanager
def kept(log: Path) -> Iterator[None]:
    """Write to `log` what this thread says in the block, and of what it fails.

    What is said by a thread of no job, such as a run's heartbeat, goes to every job's log.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    handler, mine = logging.FileHandler(log, delay=True), threading.get_ident()
    handler.addFilter(lambda said: said.thread == mine or said.thread not in _owners)
    _owners.add(mine)
    loggers = _attach(handler)
    try:
        yield
    except BaseException:
        logger.info("failed", exc_info=True)
        raise
    finally:
        for one in loggers:
            one.removeHandler(handler)
        handler.close()
        _owners.discard(mine)


def _attach(handler: logging.Handler) -> list[logging.Logger]:
    handler.setFormatter(logging.Formatter(FORM))
    logger.setLevel(logging.INFO)
    logger.propagate = False  # its lines are for logs alone
    loggers = [logger, *map(logging.getLogger, OURS)]
    for one in loggers:
        one.addHandler(handler)
    return loggers


def noting(progress: "Progress") -> "Progress":
    """Return `progress`, which tells the log how far a training has come, now and then."""

    @contextmanager
    def noted(stage: str, task: str, steps: int) -> Iterator["OnStep"]:
        said = monotonic()
        with progress(stage, task, steps) as on_step:

            def stepped(step: int, loss: float) -> None:
                nonlocal said
                on_step(step, loss)
                if step == steps or monotonic() >= said + EVERY:
                    said = monotonic()
                    logger.info("%s %s: step %d of %d, loss %.4g", stage, task, step, steps, loss)

            yield stepped

    return noted
