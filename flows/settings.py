"""Where this process runs: folders, URLs and devices, from the environment. Never in a spec."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Self

from flows.endpoint import checked

if TYPE_CHECKING:
    from mpt.backbone import Backbone
    from pipelines.inputs import TaskInput
    from pipelines.lineage import Lineage
    from pipelines.outbox import Sink
    from pipelines.reader import Asked
    from pipelines.registry import Registry
    from pipelines.services import Services

PREFIX = "PROMPT_TRANSFER_"


class BadSetting(ValueError):
    """A setting has a value that makes no sense."""

    def __init__(self, name: str, given: object, wanted: str) -> None:
        flag = f"--{name}, or the variable {PREFIX}{name.upper()},"
        super().__init__(f"{flag} is {given!r}: give {wanted}")


class LineageDown(ConnectionError):
    """The lineage database cannot be opened. A `ConnectionError`: waiting may cure it."""

    try_again = True

    def __init__(self, reason: Exception) -> None:
        line = str(reason).partition("\n")[0]
        super().__init__(
            f"lineage cannot be opened ({type(reason).__name__}: {line}): see that --home or "
            f"{PREFIX}LINEAGE_URL names a database, and try again"
        )


@dataclass(frozen=True)
class Settings:
    """Read from PROMPT_TRANSFER_HOME and so on; the flags of the command line set those.

    Not pydantic-settings: it takes longer to import than a question to lineage may take.
    """

    home: Path = Path(".prompt-transfer")
    """Folder of lineage, prompts, checkpoints, caches and MLflow's files."""
    data: Path | None = None
    """Folder of task rows, <task>/<split>.jsonl and the like; without it they come from the hub."""
    lineage_url: str = ""
    """SQLAlchemy URL; empty is a SQLite file in `home`."""
    mlflow_url: str = ""
    """MLflow tracking URI; empty is a SQLite file in `home`."""
    device: str = "auto"
    """cpu, cuda, cuda:1, ...; auto is the first GPU, if there is one."""
    workers: int = 1
    """Jobs at once in a fan-out; they share the cores."""
    openlineage: str = ""
    """A file, or an http(s) URL, for events of OpenLineage; empty sends none."""

    @classmethod
    def read(cls) -> Self:
        """Return the settings of this process.

        Raises:
            BadSetting: a value makes no sense.
        """
        given = {
            name: os.environ.get(f"{PREFIX}{name.upper()}", "") for name in cls.__annotations__
        }
        workers = given["workers"] or "1"
        if not workers.isdecimal() or int(workers) < 1:
            raise BadSetting("workers", workers, "a whole number, 1 or more")
        data = Path(given["data"]) if given["data"] else None
        if data and not data.is_dir():
            raise BadSetting("data", str(data), "a folder with <task>/<split>.jsonl in it")
        home = Path(given["home"] or ".prompt-transfer")
        if home.exists() and not home.is_dir():
            raise BadSetting("home", str(home), "a folder, or the name of a new one")
        return cls(
            home=home,
            data=data,
            lineage_url=given["lineage_url"],
            mlflow_url=given["mlflow_url"],
            device=given["device"] or "auto",
            workers=int(workers),
            openlineage=checked(given["openlineage"]),
        )

    @property
    def lineage(self) -> str:
        """The URL of the lineage database."""
        return self.lineage_url or f"sqlite:///{self.home.resolve()}/lineage.db"

    @property
    def sinks(self) -> tuple["Sink", ...]:
        """Who is to be told that runs begin and end."""
        return ("openlineage",) if self.openlineage else ()

    @property
    def mlflow(self) -> str:
        """The URI of MLflow."""
        return self.mlflow_url or f"sqlite:///{self.home.resolve()}/mlflow.db"


def prepare_environment(settings: Settings) -> None:
    """Set what Prefect, MLflow and the numerical libraries read once, when they are imported."""
    threads = max(1, (os.cpu_count() or 1) // settings.workers)
    wanted = {
        "PREFECT_HOME": str(settings.home.resolve() / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_LEVEL": "CRITICAL",  # the command line reports failures itself
        "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        "DO_NOT_TRACK": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "MLFLOW_LOGGING_LEVEL": "WARNING",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # stdout is for answers
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # its default blocks for four minutes
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",  # seconds, of a server that listens and says nothing
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_VERBOSITY": "error",  # not a line for each of its five tries
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",  # ours is the only one; transformers heeds it too
        "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
        "TRANSFORMERS_VERBOSITY": "error",
        "TOKENIZERS_PARALLELISM": "false",
        "OMP_NUM_THREADS": str(threads),
    }
    for name, value in wanted.items():
        os.environ.setdefault(name, value)


@contextmanager
def open_lineage(settings: Settings | None = None) -> Iterator["Lineage"]:
    """Open lineage alone: fast, without torch."""
    from sqlalchemy.exc import SQLAlchemyError

    from pipelines.lineage import Lineage

    settings = settings or Settings.read()
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadSetting("home", str(settings.home), f"a folder ({error.strerror})") from None
    try:
        lineage = Lineage.open(settings.lineage, settings.home / "locks", settings.sinks)
    except SQLAlchemyError as error:
        raise LineageDown(error) from error
    try:
        yield lineage
    finally:
        lineage.close()


@contextmanager
def open_questions(settings: Settings | None = None) -> Iterator["Asked"]:
    """Open lineage for questions alone: faster still, without SQLAlchemy where that will do."""
    from pipelines.reader import plain

    settings = settings or Settings.read()
    if database := plain(settings.lineage):
        yield database
        return
    with open_lineage(settings) as lineage:
        yield lineage.database


@contextmanager
def open_services() -> Iterator["Services"]:
    """Open the services of this process, and close them after."""
    from flows import display
    from flows.environment import environment
    from pipelines.services import Services
    from pipelines.store import Store

    settings = Settings.read()
    with open_lineage(settings) as lineage:
        yield Services(
            backbone=lambda name, precision: _backbone(name, precision, _device(settings.device)),
            task=lambda name: _task(name, settings.data, settings.home / "cache" / "tokens"),
            store=Store(settings.home / "store"),
            lineage=lineage,
            checkpoints=settings.home / "checkpoints",
            cache=settings.home / "cache",
            progress=display.job,
            environment=environment(_device(settings.device)),
        )


@contextmanager
def open_registry() -> Iterator["Registry"]:
    """Open the model registry of this process."""
    from pipelines.registry import Registry
    from pipelines.store import Store

    settings = Settings.read()
    with open_lineage(settings) as lineage:
        store = Store(settings.home / "store")
        artifacts = settings.home.resolve() / "mlflow"
        yield Registry(lineage, store, settings.mlflow, artifacts)


_loading = Lock()  # two threads that want the same backbone load it once


def _backbone(name: str, precision: str, device: str) -> "Backbone":
    with _loading:
        return _load_backbone(name, precision, device)


def _task(name: str, folder: Path | None, tokens: Path) -> "TaskInput":
    import tasks

    task = tasks.find(name)
    with _loading:
        return _load_task(name, folder, tokens, (task.definition, *tasks.stamp(task, folder)))


@cache
def _load_backbone(name: str, precision: str, device: str) -> "Backbone":
    import torch

    from mpt.loading import load

    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    return load(name, device, dtype)


@cache
def _load_task(
    name: str, folder: Path | None, tokens: Path, _state: tuple[object, ...]
) -> "TaskInput":
    from pipelines.inputs import TaskInput

    return TaskInput.open(name, folder, tokens)


def on_accelerator() -> bool:
    """Say whether backbones of this process run elsewhere than on a CPU."""
    return _device(Settings.read().device) != "cpu"


@cache
def _device(wanted: str) -> str:
    import torch

    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return wanted
