"""Where this process runs: folders, URLs and devices, from the environment. Never in a spec."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from pipelines.lineage import Lineage

if TYPE_CHECKING:
    from mpt.backbone import Backbone
    from pipelines.inputs import TaskInput
    from pipelines.records import Environment
    from pipelines.registry import Registry
    from pipelines.services import Services


class Settings(BaseSettings):
    """Read from PROMPT_TRANSFER_HOME and so on; the flags of the command line set those."""

    model_config = SettingsConfigDict(env_prefix="PROMPT_TRANSFER_", extra="ignore")

    home: Path = Path(".prompt-transfer")
    """Folder of lineage, prompts, checkpoints and MLflow's files."""
    data: Path | None = None
    """Folder of task rows, <task>/<split>.jsonl and the like; without it they come from the hub."""
    lineage_url: str = ""
    """SQLAlchemy URL; empty is a SQLite file in `home`."""
    mlflow_url: str = ""
    """MLflow tracking URI; empty is a SQLite file in `home`."""
    device: str = "auto"
    """cpu, cuda, cuda:1, ...; auto is the first GPU, if there is one."""
    workers: Annotated[int, Field(gt=0)] = 1
    """Jobs at once in a fan-out; they share the cores."""

    @property
    def lineage(self) -> str:
        """The URL of the lineage database."""
        return self.lineage_url or f"sqlite:///{self.home.resolve()}/lineage.db"

    @property
    def mlflow(self) -> str:
        """The URI of MLflow."""
        return self.mlflow_url or f"sqlite:///{self.home.resolve()}/mlflow.db"


def prepare_environment(settings: Settings) -> None:
    """Set what Prefect, MLflow and the numerical libraries read once, when they are imported."""
    settings.home.mkdir(parents=True, exist_ok=True)
    threads = max(1, (os.cpu_count() or 1) // settings.workers)
    wanted = {
        "PREFECT_HOME": str(settings.home.resolve() / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_LEVEL": "CRITICAL",  # the command line reports failures itself
        "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        "PREFECT_TASK_RUNNER_THREAD_POOL_MAX_WORKERS": str(settings.workers),
        "DO_NOT_TRACK": "1",
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # its default blocks for four minutes
        "TOKENIZERS_PARALLELISM": "false",
        "OMP_NUM_THREADS": str(threads),
    }
    for name, value in wanted.items():
        os.environ.setdefault(name, value)


@contextmanager
def open_lineage(settings: Settings | None = None) -> Iterator[Lineage]:
    """Open lineage alone: fast, without torch."""
    settings = settings or Settings()
    settings.home.mkdir(parents=True, exist_ok=True)
    lineage = Lineage.open(settings.lineage, settings.home / "locks")
    try:
        yield lineage
    finally:
        lineage.close()


@contextmanager
def open_services() -> Iterator["Services"]:
    """Open the services of this process, and close them after."""
    from flows import display
    from pipelines.services import Services
    from pipelines.store import Store

    settings = Settings()
    with open_lineage(settings) as lineage:
        yield Services(
            backbone=lambda name, precision: _backbone(name, precision, _device(settings.device)),
            task=lambda name: _task(name, settings.data),
            store=Store(settings.home / "store"),
            lineage=lineage,
            checkpoints=settings.home / "checkpoints",
            progress=display.job,
            environment=_environment(_device(settings.device)),
        )


@contextmanager
def open_registry() -> Iterator["Registry"]:
    """Open the model registry of this process."""
    from pipelines.registry import Registry
    from pipelines.store import Store

    settings = Settings()
    with open_lineage(settings) as lineage:
        store = Store(settings.home / "store")
        artifacts = settings.home.resolve() / "mlflow"
        yield Registry(lineage, store, settings.mlflow, artifacts)


_loading = Lock()  # two threads that want the same backbone load it once


def _backbone(name: str, precision: str, device: str) -> "Backbone":
    with _loading:
        return _load_backbone(name, precision, device)


def _task(name: str, folder: Path | None) -> "TaskInput":
    with _loading:
        return _load_task(name, folder)


@cache
def _load_backbone(name: str, precision: str, device: str) -> "Backbone":
    import torch

    from mpt.backbone import Backbone

    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    return Backbone.load(name, device, dtype)


@cache
def _load_task(name: str, folder: Path | None) -> "TaskInput":
    from pipelines.inputs import TaskInput

    return TaskInput.open(name, folder)


@cache
def _device(wanted: str) -> str:
    import torch

    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return wanted


@cache
def _environment(device: str) -> "Environment":
    import torch

    from pipelines.records import Environment

    named = torch.cuda.get_device_name(device) if device.startswith("cuda") else device
    versions = {name: version(name) for name in ("prompt-transfer", "torch", "transformers")}
    return Environment(
        device=named, threads=torch.get_num_threads(), versions=versions, git_commit=_git_commit()
    )


def _git_commit() -> str | None:
    """Return the commit of this code, where it runs from a checkout."""
    import subprocess

    try:
        asked = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=Path(__file__).parent, capture_output=True, text=True, check=True, timeout=5,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return asked.stdout.strip()
