"""Where this process runs: folders, URLs and devices, from the environment. Never in a spec."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from flows.endpoint import checked

if TYPE_CHECKING:
    from pipelines.lineage import Lineage
    from pipelines.outbox import Sink
    from pipelines.reader import Asked
    from pipelines.registry import Registry
    from pipelines.services import Progress, Services
    from pipelines.store import Store

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
    store_url: str = ""
    """Of prompts and checkpoints: s3://bucket/path and so on; empty is a folder in `home`."""
    mlflow_url: str = ""
    """MLflow tracking URI; empty is a SQLite file in `home`."""
    device: str = "auto"
    """cpu, cuda, cuda:1, ...; auto is the first GPU, if there is one."""
    workers: int = 0
    """Jobs at once, which share the cores; 0 is as many as there is room for on GPUs, else one."""
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
        workers = given["workers"]
        if workers and (not workers.isdecimal() or int(workers) < 1):
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
            store_url=given["store_url"],
            mlflow_url=given["mlflow_url"],
            device=given["device"] or "auto",
            workers=int(workers or 0),
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
    threads = max(1, (os.cpu_count() or 1) // (settings.workers or 1))
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


def open_store(settings: Settings) -> "Store":
    """Return where prompts are kept.

    Raises:
        BadStoreUrl: the setting names no place that can be written to safely.
    """
    from pipelines.places import open_place
    from pipelines.store import Store

    return Store(open_place(settings.store_url or str(settings.home / "store")))


@contextmanager
def open_services(
    progress: "Progress | None" = None, log: Path | None = None, device: str | None = None
) -> Iterator["Services"]:
    """Open the services of this process, and close them after.

    Args:
        progress: shows trainings; None is this process's own display.
        log: the file that is to be found by the ids of the runs that are recorded.
        device: where backbones go; None is what the settings say.
    """
    from flows import display, opened
    from flows.environment import environment
    from flows.job_log import NamedRuns
    from pipelines.places import open_place
    from pipelines.services import Services

    settings = Settings.read()
    place = opened.device(device or settings.device)
    with open_lineage(settings) as lineage:
        yield Services(
            backbone=lambda name, precision: opened.backbone(name, precision, place),
            task=lambda name: opened.task(name, settings.data, settings.home / "cache" / "tokens"),
            store=open_store(settings),
            lineage=NamedRuns(lineage, log) if log else lineage,
            checkpoints=settings.home / "checkpoints",
            cache=settings.home / "cache",
            progress=progress or display.job,
            environment=environment(place),
            mirror=open_place(settings.store_url) if settings.store_url else None,
        )


@contextmanager
def open_registry() -> Iterator["Registry"]:
    """Open the model registry of this process."""
    from pipelines.registry import Registry

    settings = Settings.read()
    with open_lineage(settings) as lineage:
        artifacts = settings.home.resolve() / "mlflow"
        yield Registry(lineage, open_store(settings), settings.mlflow, artifacts)
