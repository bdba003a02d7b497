"""The command line in this process, on a tiny T5 and a few rows; one Prefect server for all."""

import io
import json
import os
import shutil
import sys
from contextlib import redirect_stderr, redirect_stdout
from typing import NamedTuple
from unittest import mock

os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")  # read once, at the first import
os.environ.setdefault("PREFECT_SERVER_LOGGING_LEVEL", "CRITICAL")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

import pytest
import yaml
from transformers.utils.logging import disable_progress_bar

from flows.cli import main
from pipelines.lineage import Lineage

disable_progress_bar()  # tests/conftest.py has imported transformers: too late for a variable

STEPS = {"steps": 2, "batch_size": 4, "validations": 1}
SPEC = {
    "name": "tiny",
    "seeds": [0],
    "prompt_length": 4,
    "sources": ["rte", "mrpc"],
    "targets": ["cola", "cb"],
    "teach": STEPS,
    "learn": STEPS,
    "adapt": STEPS,
}
PAIR = ("sentence1", "sentence2")
COLUMNS = {"rte": PAIR, "mrpc": PAIR, "cola": ("sentence",), "cb": ("premise", "hypothesis")}
DOWN = "http://127.0.0.1:9"  # nothing listens at the discard port


class Said(NamedTuple):
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


class Home:
    """A folder that commands work in; `settings` are environment variables."""

    def __init__(self, folder, data):
        self.folder = folder
        self.settings = {"PROMPT_TRANSFER_HOME": str(folder), "PROMPT_TRANSFER_DATA": str(data)}

    def run(self, *words, **settings):
        """Run `prompt-transfer *words` in this process."""
        given = {f"PROMPT_TRANSFER_{name.upper()}": str(value) for name, value in settings.items()}
        out, err, status = io.StringIO(), io.StringIO(), 0
        with (
            mock.patch.dict(os.environ, self.settings | given),
            mock.patch.object(sys, "argv", ["prompt-transfer", *map(str, words)]),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            try:
                main()
            except SystemExit as ended:
                status = ended.code or 0
        return Said(status, out.getvalue(), err.getvalue())

    def lineage(self):
        file = f"sqlite:///{self.folder}/lineage.db"
        url = self.settings.get("PROMPT_TRANSFER_LINEAGE_URL", file)
        return Lineage.open(url, self.folder / "locks")

    def query(self, sql):
        """Return the rows of a question to the lineage database."""
        lineage = self.lineage()
        try:
            with lineage.database.engine.connect() as connection:
                return [tuple(row) for row in connection.exec_driver_sql(sql)]
        finally:
            lineage.close()

    def runs(self, status="completed"):
        """Return how many runs have this status."""
        return self.query(f"SELECT count(*) FROM run WHERE status = '{status}'")[0][0]

    def write(self, spec):
        """Write a spec; return its file."""
        file = self.folder / "spec.yaml"
        file.write_text(spec if isinstance(spec, str) else yaml.safe_dump(spec))
        return file


@pytest.fixture(scope="session")
def rows():
    """Return a maker of a few rows of a task."""

    def make(task, count=24):
        return [
            {name: f"word {number} of a {name}" for name in COLUMNS[task]}
            | {"idx": number, "label": number % 2}
            for number in range(count)
        ]

    return make


@pytest.fixture(scope="session")
def write_data(rows):
    """Return a writer of all rows that `SPEC` needs into a folder."""

    def write(folder):
        for task in COLUMNS:
            (folder / task).mkdir(parents=True)
            for split in ("train", "validation"):
                lines = "".join(json.dumps(row) + "\n" for row in rows(task))
                (folder / task / f"{split}.jsonl").write_text(lines)
        return folder

    return write


@pytest.fixture(scope="session")
def data(write_data, tmp_path_factory):
    """Rows that nothing may change."""
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def spec(tiny_backbone):
    return {**SPEC, "backbone": tiny_backbone}


@pytest.fixture(scope="session")
def make_home(migrated, mlflow_tables, data, tmp_path_factory):
    """Return a maker of homes in which nothing has been done; tables are there."""

    def make(rows=data):
        folder = tmp_path_factory.mktemp("home")
        shutil.copy(migrated, folder / "lineage.db")
        shutil.copy(mlflow_tables, folder / "mlflow.db")
        return Home(folder, rows)

    return make


@pytest.fixture(scope="session")
def lineage_home(migrated, data, tmp_path_factory):
    """Return a maker of homes for questions to lineage alone: MLflow's tables take seconds."""

    def make():
        folder = tmp_path_factory.mktemp("home")
        shutil.copy(migrated, folder / "lineage.db")
        return Home(folder, data)

    return make


@pytest.fixture
def home(make_home):
    """An empty home."""
    return make_home()


@pytest.fixture(scope="session")
def server():
    """A real Prefect server, for all flows of this session; its URL."""
    from prefect.settings import PREFECT_API_URL
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=120):
        yield PREFECT_API_URL.value()


@pytest.fixture(scope="session")
def deployed(server):
    """The same server, with all our flows."""
    from flows.deployments import deploy_all
    from flows.prefect_api import prefect_client

    with prefect_client() as client:
        deploy_all(client)
    return server


@pytest.fixture(scope="session")
def transferred(server, make_home, spec):
    """A home in which `run` has been called once, and what it said. Nothing may change it."""
    home = make_home()
    said = home.run("run", home.write(spec), openlineage=home.folder / "events.jsonl")
    assert said.status == 0, said.err
    return home, said


@pytest.fixture
def after_transfer(transferred, data, tmp_path):
    """A copy of that home, to change."""
    folder = shutil.copytree(transferred[0].folder, tmp_path / "home")
    return Home(folder, data)
