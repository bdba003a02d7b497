"""The processes of flow runs on this machine: also those whose worker is gone.

A worker that is killed leaves its flow runs behind, and nothing else remembers them. Each has its
home and its id in its environment, which its owner can read.
"""

from collections.abc import Iterator
from pathlib import Path

import psutil

from flows.settings import PREFIX

ID = "PREFECT__FLOW_RUN_ID"


def alive(home: Path) -> dict[str, int]:
    """Return the process of each flow run of a home that a worker started here, by the run's id."""
    return dict(_all(home))


def _all(home: Path) -> Iterator[tuple[str, int]]:
    for process in psutil.process_iter():
        try:
            given = process.environ()
            dead = process.status() == psutil.STATUS_ZOMBIE
        except (psutil.Error, OSError):  # another user's, or just gone
            continue
        if ID in given and given.get(f"{PREFIX}HOME") == str(home) and not dead:
            yield given[ID], process.pid
