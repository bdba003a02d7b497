"""The processes of flow runs on this machine: also those whose worker is gone.

A worker that is killed leaves its flow runs behind, and nothing else remembers them. Each has its
home and its id in its environment, which its owner can read.
"""

from pathlib import Path

import psutil

from flows.settings import PREFIX

ID = "PREFECT__FLOW_RUN_ID"


def alive(home: Path) -> dict[str, int]:
    """Return the process of each flow run of a home that a worker started here, by the run's id."""
    found: dict[str, int] = {}
    for process in sorted(psutil.process_iter(["create_time"]), key=_age):
        run = _run_of(process, home)
        if run:
            found.setdefault(run, process.pid)  # and not one that it started itself
    return found


def _age(process: psutil.Process) -> float:
    return process.info["create_time"] or 0.0


def _run_of(process: psutil.Process, home: Path) -> str | None:
    try:
        given = process.environ()
        dead = process.status() == psutil.STATUS_ZOMBIE
    except (psutil.Error, OSError):  # another user's, or just gone
        return None
    return None if dead or given.get(f"{PREFIX}HOME") != str(home) else given.get(ID)
