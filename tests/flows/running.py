"""An `up` for real, in another process: what tests of servers start, ask and stop."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from base64 import b64encode
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import psutil

from tests.waiting import wait

ROOT = Path(__file__).parents[2]


def free_port():
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        return tried.getsockname()[1]


class Answer(NamedTuple):
    status: int
    body: str
    heads: dict

    @property
    def json(self):
        return json.loads(self.body)


class Running:
    """An `up` in another process, on a home of its own."""

    def __init__(self, home, **settings):
        given = {f"PROMPT_TRANSFER_{name.upper()}": str(one) for name, one in settings.items()}
        self.home, self.folder = home, home.folder / "servers"
        self.environment = {
            **{name: value for name, value in os.environ.items() if "PREFECT" not in name},
            **home.settings,
            **given,
            "PYTHONPATH": str(ROOT),
        }
        self.ports = free_port(), free_port()
        self.start()

    def start(self):
        began = time.monotonic()
        prefect, mlflow = map(str, self.ports)
        words = ["up", "--prefect-port", prefect, "--mlflow-port", mlflow, "--json"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "flows", *words],
            env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        told = ""
        while line := self.process.stdout.readline():
            told += line
            if line == "}\n":
                break
        assert told, self.process.stderr.read()
        self.told, self.seconds = json.loads(told), time.monotonic() - began
        load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
        sys.stderr.write(f"\nup was healthy after {self.seconds:.1f} s; load {load}\n")

    def run(self, *words):
        """Run another command of the same home."""
        return subprocess.run(
            [sys.executable, "-m", "flows", *map(str, words)],
            env=self.environment, capture_output=True, text=True, timeout=600, check=False,
        )  # fmt: skip

    def here(self, *words):
        """Run another command of the same home in this process, which has imported all already."""
        from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

        url = f"{self.told['prefect']}/api"
        known = {PREFECT_API_URL: url, PREFECT_API_AUTH_STRING: self.keys["prefect"]}
        with temporary_settings(known):
            return self.home.run(*words)

    @property
    def keys(self):
        return json.loads((self.folder / "keys.json").read_text())

    @property
    def programs(self):
        return json.loads((self.folder / "servers.json").read_text())["programs"]

    @property
    def client(self):
        """The environment in which a command talks to the servers."""
        return json.loads((self.folder / "servers.json").read_text())["environment"]

    @property
    def family(self):
        children = psutil.Process(self.process.pid).children(recursive=True)
        return [self.process.pid, *(one.pid for one in children)]

    def ask(self, url, body=None, login=None, method=None, **heads):
        """Ask a server; `login` is user:password."""
        named = {name.replace("_", "-"): value for name, value in heads.items()}
        if login:
            named["Authorization"] = f"Basic {b64encode(login.encode()).decode()}"
        if body is not None:
            named["Content-Type"] = "application/json"
            body = json.dumps(body).encode()
        try:
            with urlopen(Request(url, body, named, method=method), timeout=60) as answer:
                return Answer(answer.status, answer.read().decode(), dict(answer.headers))
        except HTTPError as error:
            return Answer(error.code, error.read().decode(), dict(error.headers))
        except URLError:  # it is just being started again
            return Answer(0, "null", {})

    def prefect(self, path, body=None, **heads):
        """Ask Prefect's server, with the password."""
        return self.ask(f"{self.told['prefect']}/api{path}", body, self.keys["prefect"], **heads)

    def mlflow(self, path, body=None, **heads):
        """Ask MLflow's server, with the password."""
        login = f"admin:{self.keys['mlflow']}"
        return self.ask(f"{self.told['mlflow']}/api/2.0/mlflow{path}", body, login, **heads)

    def deployment(self, flow):
        return self.prefect(f"/deployments/name/{flow}/prompt-transfer").json

    def runs(self, flow, *states):
        wanted = {"flows": {"name": {"any_": [flow]}}}
        if states:
            wanted["flow_runs"] = {"state": {"type": {"any_": list(states)}}}
        return self.prefect("/flow_runs/filter", wanted).json

    def state(self, run):
        return (self.prefect(f"/flow_runs/{run}").json or {}).get("state_type")

    def reconcile(self):
        """Have upkeep done now, as the clock does every five minutes."""
        wait(self._reconciled, seconds=400)

    def _reconciled(self):
        """Start upkeep; say whether it ran: beside another run of it, it is cancelled."""
        run = f"/deployments/{self.deployment('reconcile')['id']}/create_flow_run"
        made = self.prefect(run, {}).json or {}
        if "id" not in made:  # the server was too busy
            return False
        ends = {"COMPLETED", "CANCELLED", "FAILED", "CRASHED"}
        wait(lambda: self.state(made["id"]) in ends)
        return self.state(made["id"]) == "COMPLETED"

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.communicate(timeout=120)


@contextmanager
def started(home, **settings):
    running = Running(home, **settings)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.stop()
