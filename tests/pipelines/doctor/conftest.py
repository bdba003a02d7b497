"""A home with real prompts, told to a real MLflow; each test breaks something in it."""

import json
import os
import shutil
import time
from hashlib import sha256

import pytest
import torch
from mlflow import MlflowClient
from sqlalchemy import select, text

from mpt.peft_format import pack
from mpt.prompt import SoftPrompt
from pipelines.doctor.examination import examine
from pipelines.doctor.finding import Finding, Home, Skipped
from pipelines.indexes import MODELS
from pipelines.mlflow_server import EXPERIMENT
from pipelines.promotion import review
from pipelines.registry import Registry
from pipelines.store import Store

OLD = 2 * 86400  # seconds


class Patient:
    """A home, and what a test does to it and asks of it."""

    def __init__(self, folder, lineage, store, uri, world):
        self.folder, self.lineage, self.store, self.uri = folder, lineage, store, uri
        self.world, self.notes, self.examine = world, [], examine

    @property
    def client(self):
        return MlflowClient(self.uri, self.uri)

    @property
    def experiment(self):
        return self.client.get_experiment_by_name(EXPERIMENT).experiment_id

    def path(self, sha):
        """Where the store has these bytes."""
        return self.store.place.root / sha[:2] / sha

    def registry(self):
        """The registry as another process would open it."""
        return Registry(self.lineage, self.store, self.uri, self.folder / "mlflow")

    def home(self, lineage=None):
        """The home as `doctor` opens it."""
        registry = self.registry()
        registry.lineage = lineage or self.lineage
        tell = {
            "gate": lambda: review(self.lineage, self.store),
            "registry": registry.publish_pending,
        }
        checkpoints = self.folder / "checkpoints"
        folders = [self.store.place.root, checkpoints, self.folder / "cache"]
        note = self.notes.append
        return Home(registry.lineage, registry, checkpoints, folders, tell, note)

    def found(self):
        """What is wrong, a line each."""
        return [
            line(one) for one in self.examine(self.home()) if not getattr(one, "harmless", False)
        ]

    def mend(self):
        """Repair all that can be; return what was repaired, a line each."""
        repaired = []
        for one in self.examine(self.home()):
            if isinstance(one, Finding) and one.mend:
                one.mend()
                repaired.append(line(one))
        return repaired

    def train(self, task, number, value=80.0, losses=True, **request):
        """Record a training whose prompt and losses are really in the store; return its digest."""
        data = pack(SoftPrompt(torch.full((5, 8), float(number))))
        with self.lineage.record(self.world.request("adapt", task, str(number), **request)) as run:
            run.prompt = self.world.prompt(self.store.put(data))
            run.scores += [self.world.score(task, value), self.world.majority(task)]
            if losses:  # MLflow gets a picture of them, which takes time
                run.losses_sha = self.store.put(json.dumps([2.0, number]).encode())
        return run.prompt.sha

    def settle(self):
        """Judge and publish all, as flows do at their end."""
        assert review(self.lineage, self.store).failed == {}
        assert self.registry().publish_pending().failed == {}

    def name(self, task="rte"):
        return f"softprompt.nano-t5-{self.world.backbone.sha[:8]}.{task}"

    def sql(self, statement):
        with self.lineage.database.writing() as connection:
            return connection.execute(text(statement))

    def version(self, number=1, task="rte"):
        return self.client.get_model_version(self.name(task), str(number))

    def everything(self):
        """All files, by their bytes, and all rows: what may not change unasked."""
        files = {
            str(path.relative_to(self.folder)): (sha256(path.read_bytes()).hexdigest(), mtime(path))
            for path in self.folder.rglob("*")
            if path.is_file() and "lineage.db" not in path.name
        }
        with self.lineage.database.reading() as connection:
            schema = rows_of(connection, SCHEMA)
            rows = {
                name: sorted(map(str, connection.execute(select(table))))
                for name, table in MODELS.tables.items()
            }
        folders = sorted(str(path) for path in self.folder.rglob("*") if path.is_dir())
        return files, folders, schema, rows


SCHEMA = "SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_master"


def rows_of(connection, query):
    return sorted(connection.scalars(text(query)))


def mtime(path):
    return path.stat().st_mtime_ns


def line(one):
    return f"{one.part}: {one.why if isinstance(one, Skipped) else one.what}"


def age(path, seconds=OLD):
    """Let a file be older than it is."""
    then = time.time() - seconds
    os.utime(path, (then, then))
    return path


@pytest.fixture
def patient(tmp_path, sqlite_lineage, mlflow_tables, world):
    """A home in which nothing was done yet."""
    shutil.copy(mlflow_tables, tmp_path / "mlflow.db")
    store = Store(tmp_path / "store")
    return Patient(tmp_path, sqlite_lineage, store, f"sqlite:///{tmp_path}/mlflow.db", world)


@pytest.fixture
def well(patient):
    """A home with a champion and another prompt, all told."""
    patient.prompts = [patient.train("rte", 1), patient.train("rte", 2, 70.0)]
    patient.settle()
    return patient


@pytest.fixture
def unchanged():
    """Examine a patient, and see that nothing has changed by it; return what was found."""

    def examined(patient):
        before = patient.everything()
        found = patient.found()
        assert patient.everything() == before
        return found

    return examined


@pytest.fixture
def healed(unchanged):
    """Find, repair, find nothing more; and a second repair changes nothing. Return the findings."""

    def healing(patient):
        found = unchanged(patient)
        assert found
        assert patient.mend()
        assert unchanged(patient) == []
        before = patient.everything()
        assert patient.mend() == []
        assert patient.everything() == before
        return found

    return healing
