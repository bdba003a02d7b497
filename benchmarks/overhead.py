"""What it costs to have a job ordered, watched and recorded, beside doing it in a loop.

200 adaptations whose body does nothing, each recorded as a new run: as plain Python, as plain steps
of Prefect, as lineage alone, and as this project's flow has them. Then how long it takes to start
the first job's process, which imports torch for all, and each further one. On a quiet machine:

    python -m benchmarks.overhead --json benchmarks/out/overhead.json
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

ALLOWED = 0.150  # seconds for each job, of flow, step and lineage together
FURTHER = 20
STARTED = 4.0  # seconds for a job's process


def main() -> None:
    """Measure, print, and fail where it is more than is allowed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["PROMPT_TRANSFER_HOME"] = home
        seconds = _measured(asked.jobs, Path(home))
    print(f"{asked.jobs} jobs that do nothing, on {os.cpu_count()} cores; milliseconds for each")
    for name, value in seconds.items():
        print(f"  {name:<32}{1000 * value:>10.1f}")
    if asked.json:
        asked.json.parent.mkdir(parents=True, exist_ok=True)
        asked.json.write_text(json.dumps(seconds, indent=2) + "\n")
    slow = seconds["flow, step and lineage"] > ALLOWED or seconds["the first process"] > STARTED
    sys.exit(slow)


def _measured(jobs: int, home: Path) -> dict[str, float]:
    from flows.settings import Settings, prepare_environment

    prepare_environment(Settings.read())
    import_module("flows.jobs")  # with torch and all else: once, and not for each job
    record = recorder()
    with prefect_server():
        return {
            "plain Python": _each(jobs, lambda: [_nothing(at) for at in range(jobs)]),
            "lineage alone": _each(jobs, lambda: [record(at) for at in range(jobs)]),
            "plain Prefect": _each(jobs, lambda: _plain_flow(jobs)),
            "flow, step and lineage": _each(jobs, lambda: our_flow(jobs, record)),
            "import torch": _import_torch(),
            **_processes(home / "log"),
        }


def _each(jobs: int, do: Callable[[], Any]) -> float:
    began = time.perf_counter()
    do()
    return (time.perf_counter() - began) / jobs


def _nothing(at: int) -> str:
    return str(at)


def recorder() -> Callable[[int], str]:
    """Return what records a run, each time a new one, and opens its own services as a step does."""
    from flows.settings import open_lineage
    from pipelines.recording import MadePrompt
    from pipelines.records import BackboneInfo, Environment, Request

    backbone = BackboneInfo("b" * 64, "nano-t5", 8, 2, 2, 10)
    form = Request("adapt", "", {"steps": 1}, 0, "rte", Environment("cpu", 1), backbone)
    begun = time.time_ns()

    def record(at: int) -> str:
        sha = sha256(f"{begun} {time.perf_counter()} {at}".encode()).hexdigest()
        with open_lineage() as lineage, lineage.record(replace(form, sha=sha)) as run:
            run.prompt = MadePrompt(sha, "target", 5, 8, 160)
        return run.id

    return record


def prefect_server() -> Any:
    """Return a context in which a Prefect server runs, on SQLite."""
    from prefect.testing.utilities import prefect_test_harness

    return prefect_test_harness(server_startup_timeout=120)


def _plain_flow(jobs: int) -> None:
    import prefect
    from prefect.futures import wait

    step = prefect.task(_nothing)

    @prefect.flow
    def plain() -> None:
        wait([step.submit(at) for at in range(jobs)])

    plain()


def our_flow(jobs: int, record: Callable[[int], str]) -> None:
    """Run `record` as the jobs of a flow of ours."""
    import prefect

    from flows.engines import at_once, task_runner
    from flows.jobs import later
    from flows.planned import dispatch
    from flows.steps import STEP

    step = prefect.task(record, **STEP)

    @prefect.flow
    def ours() -> None:
        dispatch([later(step, at) for at in range(jobs)], task_runner(), at_once())

    ours()


def _import_torch() -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import torch"], check=True)
    return time.perf_counter() - began


def _processes(log: Path) -> dict[str, float]:
    """Return how long it takes until a job's process runs, and ends since it is told nothing."""
    from flows.nursery import Nursery

    nursery, seconds = Nursery(), []
    with log.open("wb") as said:
        for _ in range(1 + FURTHER):
            began = time.perf_counter()
            with nursery.child(said, ()) as child:
                child.stdin.close()
                child.wait()
            seconds.append(time.perf_counter() - began)
    return {"the first process": seconds[0], "a further process": median(seconds[1:])}


if __name__ == "__main__":
    main()
