"""Where a job runs: in this thread, in a process of its own, or on another machine."""

from threading import Lock
from typing import NamedTuple

from flows import display
from flows.isolation import isolated
from flows.job_log import kept, log_file, logger, noting
from flows.job_settings import JobSettings
from flows.room import room
from flows.settings import Settings, open_services
from flows.supervisor import supervise
from pipelines.job import Job, run


class Shown(NamedTuple):
    """What people see of a job."""

    stage: str
    task: str
    seed: int
    steps: int

    @property
    def title(self) -> str:
        """What it is called."""
        return f"{self.stage} {self.task} seed {self.seed}"


_side_by_side = Lock()  # or two groups of one process would count on the same memory


def perform(job: Job, shown: Shown) -> list[str | Exception]:
    """Run a job; return the run id of each of its specs, or what it failed of.

    Raises:
        Exception: what the stage raises, where the job is one spec.
    """
    with display.counted(shown.stage, shown.task, shown.seed, shown.steps):
        try:
            found = _performed(job, shown)
        except Exception as error:
            _name_log(error, job)
            raise
        for one in found:
            if isinstance(one, Exception):
                _name_log(one, job)
                if len(found) == 1:
                    raise one
        return found


def _name_log(error: Exception, job: Job) -> None:
    error.add_note(f"see `prompt-transfer logs {job.id}`")


def _performed(job: Job, shown: Shown) -> list[str | Exception]:
    if job.is_light:
        return _here(job, shown)
    if JobSettings.read().engine == "workpool":
        from flows.workpool import on_pool  # its flow is Prefect's to import where it runs

        return on_pool(job, shown.title)
    if isolated():
        return supervise(job, shown.title, room(job))
    if len(job.specs) == 1:
        return _here(job, shown)
    with _side_by_side:
        return _here(job, shown)


def _here(job: Job, shown: Shown) -> list[str | Exception]:
    log = log_file(Settings.read().home, job.id)
    with kept(log):
        logger.info("job %s begins: %s", job.id, shown.title)
        with open_services(noting(display.job), log) as svc:
            found = run(job, svc)
        logger.info("job %s has ended", job.id)
        return found
