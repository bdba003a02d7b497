"""What people see of a flow on Prefect's pages: how far it is, and what became of each target."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from itertools import islice
from time import monotonic
from typing import Any

import prefect
from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)

from flows import display
from flows.errors import one_line
from flows.planned import Planned
from flows.settings import Settings, open_lineage
from pipelines.lineage import Lineage
from pipelines.records import RunRecord, ScoreRecord

EVERY = 10.0  # seconds from one sign of progress to the next: each is a call of the server
ROWS = 500  # of a table; a page with ten thousand would not open

Row = dict[str, str]


class Progress:
    """A bar for the jobs of one flow, from its tenth second on."""

    def __init__(self) -> None:
        self._said = monotonic()
        self._artifact: Any = None  # its id; Prefect's types say that it may be a coroutine

    def __call__(self, done: int, total: int) -> None:
        """Tell that so many jobs have ended."""
        if monotonic() < self._said + EVERY and not (self._artifact and done == total):
            return
        self._said = monotonic()
        percent, said = 100 * done / total, f"{done} of {total} steps have ended"
        if self._artifact:
            update_progress_artifact(self._artifact, percent, said)
        else:
            self._artifact = create_progress_artifact(percent, "jobs", said)


def show(parts: Mapping[str, Sequence[Planned]], what: str) -> None:
    """Put a table of all jobs on the page of this flow run, those that failed first."""
    with open_lineage() as lineage:
        failed = [_failure(name, error) for name, error in errors_of(parts).items()]
        done = (
            _run(name, run, lineage) for name, jobs in parts.items() for run in _runs(jobs, lineage)
        )
        rows = [*failed, *islice(done, ROWS)]
    said = f"{len(parts) - len(failed)} of {len(parts)} {what} are done"
    create_table_artifact([*rows], "targets", said)
    create_markdown_artifact(_links(), "where-to-look", "MLflow and lineage")


def tell(errors: Mapping[str, BaseException]) -> None:
    """Say which parts failed, where their logs are, and how to run them again."""
    lines = [f"{name} failed: {one_line(error)}; {log_of(error)}" for name, error in errors.items()]
    for line in (*lines, f"what failed is run again by: {_again()}"):
        display.say(line)
        prefect.get_run_logger().error(line)


def errors_of(parts: Mapping[str, Sequence[Planned]]) -> dict[str, BaseException]:
    """Return the first error of each part that failed, by its name."""
    first = {
        name: next((one.error for one in jobs if one.error), None) for name, jobs in parts.items()
    }
    return {name: error for name, error in first.items() if error}


def log_of(error: BaseException) -> str:
    """Return how to read the log of the job that failed of an error; empty where it had none."""
    return "; ".join(getattr(error, "__notes__", ()))


def _again() -> str:
    if prefect.runtime.deployment.id:
        return f"prefect flow-run retry {prefect.runtime.flow_run.id}"
    return shlex.join(["prompt-transfer", *sys.argv[1:]])


def _failure(name: str, error: BaseException) -> Row:
    return {
        "target": name,
        "state": "failed",
        "error": one_line(error),
        "log": log_of(error),
    }


def _runs(jobs: Sequence[Planned], lineage: Lineage) -> list[RunRecord]:
    return [lineage.get_run(job.result()) for job in jobs if job.ended and not job.error]


def _run(name: str, run: RunRecord, lineage: Lineage) -> Row:
    return {
        "target": name,
        "state": run.status,
        "stage": run.stage,
        "seed": str(run.seed),
        "validation": _score(run.primary("validation")),
        "test": _score(run.primary("test")),
        "model": lineage.version(run.prompt, run.task) if run.prompt else "",
        "lineage": f"prompt-transfer lineage {run.id[:12]}",
        "log": f"prompt-transfer logs {run.id[:12]}",
    }


def _score(score: ScoreRecord | None) -> str:
    return f"{score.value:.1f} ({score.metric}, n = {score.n})" if score else ""


def _links() -> str:
    settings = Settings.read()
    mlflow = settings.mlflow
    place = f"[{mlflow}]({mlflow})" if mlflow.startswith("http") else f"`{mlflow}`"
    return (
        f"- models: {place}\n"
        "- where a prompt comes from: `prompt-transfer lineage ID`\n"
        f"- the database of that: `{settings.lineage.rpartition('@')[2]}`\n"
    )
