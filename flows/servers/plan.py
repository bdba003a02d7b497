"""What `up` starts: command lines, environments and addresses. Nothing is started here."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from flows.servers.keys import USER, Keys
from flows.settings import Settings

POOL = "prompt-transfer"
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Program:
    """One of the programs of `up`. Secrets are in its environment: anybody can read arguments."""

    name: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    health: str = ""
    """Answers 200 once it is ready; a worker has no address."""

    @property
    def command(self) -> tuple[str, ...]:
        """Its command line."""
        return sys.executable, *self.arguments


@dataclass(frozen=True)
class Site:
    """Where the servers of one home are.

    Args:
        home: absolute.
        keys: the passwords.
        prefect_port: of Prefect, on this machine's loopback only.
        mlflow_port: of MLflow, likewise.
    """

    home: Path
    keys: Keys = field(repr=False)
    prefect_port: int
    mlflow_port: int

    @property
    def prefect(self) -> str:
        """The address of Prefect's pages."""
        return f"http://{LOOPBACK}:{self.prefect_port}"

    @property
    def mlflow(self) -> str:
        """The address of MLflow's pages and API."""
        return f"http://{LOOPBACK}:{self.mlflow_port}"

    @property
    def addresses(self) -> dict[str, str]:
        """Where people look, by server."""
        return {"prefect": self.prefect, "mlflow": self.mlflow}

    def for_clients(self, settings: Settings) -> dict[str, str]:
        """Return the environment in which a command of this home talks to these servers."""
        url = settings.lineage_url
        lineage = {"PROMPT_TRANSFER_LINEAGE_URL": url} if url else {}
        return {
            "PREFECT_API_URL": f"{self.prefect}/api",
            "PREFECT_API_AUTH_STRING": self.keys.prefect,
            "PROMPT_TRANSFER_MLFLOW_URL": self.mlflow,
            "MLFLOW_TRACKING_USERNAME": USER,
            "MLFLOW_TRACKING_PASSWORD": self.keys.mlflow,
            **lineage,
        }

    def prefect_server(self, database: Mapping[str, str]) -> Program:
        """Return Prefect's server; `database` is its environment, see `prefect_database`."""
        origins = ",".join(f"http://{name}:{self.prefect_port}" for name in (LOOPBACK, "localhost"))
        return Program(
            "prefect",
            (
                *("-m", "prefect", "server", "start"),
                *("--host", LOOPBACK, "--port", str(self.prefect_port)),
            ),
            {
                "PREFECT_SERVER_API_AUTH_STRING": self.keys.prefect,
                # Any page in a browser of this machine could start code through an open API.
                "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS": origins,
                "PREFECT_UI_API_URL": f"{self.prefect}/api",
                "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
                "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
                "PREFECT_LOGGING_LEVEL": "WARNING",
                # In memory they would be lost with the server, and their slots with them.
                "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": (
                    "prefect.server.concurrency.lease_storage.filesystem"
                ),
                **database,
            },
            f"{self.prefect}/api/health",
        )

    def mlflow_server(self, database: str, folder: Path) -> Program:
        """Return MLflow's server.

        Args:
            database: its URL.
            folder: of its users' database and settings.
        """
        hosts = ",".join(f"{name}:{self.mlflow_port}" for name in (LOOPBACK, "localhost"))
        origins = ",".join(f"http://{name}" for name in hosts.split(","))
        return Program(
            "mlflow",
            (
                *("-m", "mlflow", "server", "--host", LOOPBACK, "--port", str(self.mlflow_port)),
                *("--workers", "1", "--app-name", "basic-auth", "--no-serve-artifacts"),
            ),
            {
                "MLFLOW_BACKEND_STORE_URI": database,
                # A folder, so that what the server registered can be read when it is down.
                "MLFLOW_DEFAULT_ARTIFACT_ROOT": (self.home / "mlflow").as_uri(),
                "MLFLOW_SERVER_ALLOWED_HOSTS": hosts,
                "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": origins,
                "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
                "MLFLOW_AUTH_CONFIG_PATH": str(folder / "mlflow.ini"),
                "MLFLOW_AUTH_ADMIN_USERNAME": USER,
                "MLFLOW_AUTH_ADMIN_PASSWORD": self.keys.mlflow,
                "MLFLOW_FLASK_SERVER_SECRET_KEY": self.keys.cookies,
            },
            f"{self.mlflow}/health",
        )

    def registering(self, clients: Mapping[str, str], runs: int | None) -> Program:
        """Return what registers all flows, and ends; `clients` is `for_clients`."""
        more = (str(runs),) if runs else ()
        return Program("register", ("-m", "flows.servers.registering", *more), clients)

    def worker(self, clients: Mapping[str, str]) -> Program:
        """Return the worker, which starts flow runs; `clients` is `for_clients`."""
        return Program(
            "worker",
            (
                *("-m", "prefect", "worker", "start", "--pool", POOL, "--type", "process"),
                # One name: else the server would list all that ever were.
                *("--name", "up", "--install-policy", "never", "--no-create-pool-if-not-found"),
            ),
            {
                **clients,
                "PREFECT_LOGGING_LEVEL": "INFO",
                "PREFECT_WORKER_QUERY_SECONDS": "2",
                "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
            },
        )
