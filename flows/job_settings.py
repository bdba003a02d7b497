"""How the jobs of a flow run: who starts them, where, and how many. Never in a spec."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, get_args

from flows.settings import PREFIX, BadSetting

Engine = Literal["local", "workpool", "ray", "dask"]
GIB = 2**30


@dataclass(frozen=True)
class JobSettings:
    """Read from PROMPT_TRANSFER_ENGINE and so on."""

    engine: Engine = "local"
    """Who starts jobs: this machine, a Prefect work pool, a Ray or a Dask cluster."""
    cluster: str = ""
    """Address of the Ray or Dask cluster, empty for one on this machine; or the work pool."""
    gpus: tuple[float, ...] = ()
    """GiB of GPUs that are not there, so that placement can be tried without any."""
    job_seconds: int = 24 * 3600
    """After so long a job's process ends itself."""
    slots: Path = Path()
    """Folder of the locks of this machine's GPUs and cores, for all homes and flows of a user."""

    @classmethod
    def read(cls) -> Self:
        """Return the settings of this process.

        Raises:
            BadSetting: a value makes no sense.
        """
        return cls(
            engine=_one_of("engine", get_args(Engine)),
            cluster=_given("cluster", ""),
            gpus=_sizes("gpus"),
            job_seconds=_whole("job_seconds", cls.job_seconds),
            slots=Path(_given("slots", _default_slots())),
        )


def _given(name: str, default: str) -> str:
    return os.environ.get(f"{PREFIX}{name.upper()}", "") or default


def _one_of(name: str, values: tuple[str, ...]) -> Any:
    given = _given(name, values[0])
    if given not in values:
        raise BadSetting(name, given, f"one of {', '.join(values)}")
    return given


def _whole(name: str, default: int) -> int:
    given = _given(name, "")
    if not given:
        return default
    if not given.isdecimal() or not 1 <= int(given) < 2**31:
        raise BadSetting(name, given, "a whole number, 1 or more")
    return int(given)


def _sizes(name: str) -> tuple[float, ...]:
    given = _given(name, "")
    try:
        sizes = tuple(float(one) for one in given.split(",") if one)
    except ValueError:
        sizes = (-1.0,)
    if not all(0 < one < 1e6 for one in sizes):
        raise BadSetting(name, given, "the GiB of each GPU to pretend, such as 24,24")
    return sizes


def _default_slots() -> str:
    return str(Path(tempfile.gettempdir()) / f"prompt-transfer-{os.getuid()}")
