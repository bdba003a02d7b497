"""MLflow against lineage: every difference is made for real, found, repaired, and found no more."""

import shutil
import socket
from pathlib import Path

import pytest

from pipelines import registration, standing
from pipelines.doctor import mirror, untold
from pipelines.doctor.examination import examine
from pipelines.doctor.finding import Skipped
from pipelines.locks import hold
from pipelines.mlflow_model import WEIGHTS
from pipelines.promotion import review
from pipelines.standing import Decision

# Publishing, in a process that is killed before or after one call of MLflow's client.
PUBLISHER = """
import os, signal, sys
from pathlib import Path
from mlflow import MlflowClient
from pipelines.lineage import Lineage
from pipelines.registry import Registry
from pipelines.store import Store

folder, victim, when = Path(sys.argv[1]), sys.argv[2], sys.argv[3]

class Killing(MlflowClient):
    def __getattribute__(self, name):
        real = super().__getattribute__(name)
        if name != victim:
            return real
        def call(*args, **kwargs):
            if when == "after":
                real(*args, **kwargs)
            os.kill(os.getpid(), signal.SIGKILL)
        return call

lineage = Lineage.open(f"sqlite:///{folder}/lineage.db", folder / "locks")
uri = f"sqlite:///{folder}/mlflow.db"
registry = Registry(lineage, Store(folder / "store"), uri, folder / "mlflow")
registry.__dict__["_client"] = Killing(uri, uri)
registry.publish_pending()
"""


@pytest.fixture
def one(patient):
    """A home with one prompt, a champion, all told; only what is told is examined."""
    patient.examine = told
    patient.prompts = [patient.train("rte", 1, losses=False)]
    patient.settle()
    return patient


@pytest.fixture
def two(one):
    """The same with a second prompt."""
    one.prompts.append(one.train("rte", 2, 70.0, losses=False))
    one.settle()
    return one


def told(home):
    yield from mirror.findings(home)
    yield from untold.findings(home)


def aliases(patient):
    return {
        alias: int(version)
        for alias, version in patient.client.get_registered_model(patient.name()).aliases.items()
    }


def stand(patient, sha, name):
    with patient.lineage.database.writing() as connection:
        (found,) = registration.candidates(connection, sha)
        standing.stand(connection, found, name, Decision("forced", reason="a test"))


def weights(patient, number=1):
    return Path(patient.version(number).source.removeprefix("file://")) / WEIGHTS


def test_an_alias_that_somebody_moved_is_set_right(two, healed):
    stand(two, two.prompts[1], "challenger")
    two.settle()
    assert aliases(two) == {"champion": 1, "challenger": 2}
    two.client.set_registered_model_alias(two.name(), "champion", "2")
    two.client.delete_registered_model_alias(two.name(), "challenger")
    two.client.set_registered_model_alias(two.name(), "my-own", "2")

    name = two.name()
    assert healed(two) == [
        f"registry: {name}@champion is at version 2 in MLflow, and at version 1 by lineage",
        f"registry: {name}@challenger is at no version in MLflow, and at version 2 by lineage",
    ]
    assert aliases(two) == {"champion": 1, "challenger": 2, "my-own": 2}


def test_an_alias_of_a_champion_that_is_none_is_taken_away(one, healed):
    stand(one, one.prompts[0], "archived")
    one.settle()
    one.client.set_registered_model_alias(one.name(), "champion", "1")

    assert healed(one) == [
        f"registry: {one.name()}@champion is at version 1 in MLflow, and at no version by lineage"
    ]
    assert aliases(one) == {}


def test_a_tag_that_somebody_changed_is_set_right(one, healed):
    one.client.set_model_version_tag(one.name(), "1", "standing", "archived")

    assert healed(one) == [
        f"registry: {one.name()}/1 is archived in MLflow, and champion by lineage"
    ]
    assert one.version(1).tags["standing"] == "champion"


def test_a_lost_mlflow_database_gets_its_champions_again(two, healed, unchanged, mlflow_tables):
    stand(two, two.prompts[1], "archived")
    two.settle()
    two.uri = f"sqlite:///{two.folder}/new.db"
    lost = ["registry: MLflow has nothing of ours, and by lineage 2 prompts: its database was lost"]
    assert unchanged(two) == lost
    shutil.copy(mlflow_tables, two.folder / "new.db")  # it would be made, in seconds

    assert healed(two) == lost
    assert aliases(two) == {"champion": 1}
    assert two.version(1).tags["digest"] == two.prompts[0]
    assert two.version(2).tags["standing"] == "archived"
    assert two.lineage.best("rte").version == 1


def test_a_version_that_somebody_deleted_is_uploaded_again(one, healed):
    one.client.delete_model_version(one.name(), "1")

    (found, *_) = healed(one)
    sha = one.prompts[0]
    assert found == (
        f"registry: {one.name()}/1 is not in MLflow; by lineage it is prompt {sha[:12]}"
    )
    assert one.lineage.best("rte").version == 2
    assert one.version(2).tags["digest"] == sha
    assert aliases(one) == {"champion": 2}


@pytest.mark.parametrize("harm", ["has the bytes", "has no weights"])
def test_bytes_that_mlflow_changed_are_uploaded_again(one, healed, harm):
    path, sha = weights(one), one.prompts[0]
    if harm == "has no weights":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-1] + b"!")

    (found,) = healed(one)
    assert found.startswith(f"registry: {one.name()}/1 {harm}")
    assert weights(one, 2).read_bytes() == one.store.get(sha)
    assert one.version(2).tags["logged_model"] != ""
    assert len(one.client.search_model_versions(f"name = '{one.name()}'")) == 1
    assert len(one.client.search_logged_models([one.experiment])) == 1
    assert one.lineage.best("rte").version == 2


def test_a_version_under_another_digest_is_uploaded_again(one, healed):
    one.client.set_model_version_tag(one.name(), "1", "digest", "f" * 64)

    (found, *_) = healed(one)
    assert f"{one.name()}/1 is prompt ffffffffffff in MLflow; by lineage" in found
    assert one.version(2).tags["digest"] == one.prompts[0]


def test_a_number_that_is_another_of_our_prompts_is_left_to_that(two, healed):
    first, second = two.prompts
    two.client.delete_model_version(two.name(), "1")
    two.sql(f"UPDATE registration SET version = NULL, closed_at = NULL WHERE prompt_sha='{second}'")
    two.sql(f"UPDATE registration SET version = 2 WHERE prompt_sha = '{first}'")

    healed(two)
    versions = {
        int(one.version): one.tags["digest"]
        for one in two.client.search_model_versions(f"name = '{two.name()}'")
    }
    assert versions == {2: second, 3: first}
    assert aliases(two) == {"champion": 3}


def test_versions_that_lineage_does_not_name_are_deleted(one, healed):
    known, source = one.version(1), one.version(1).source
    tags = known.tags | {"digest": "f" * 64}
    one.client.create_model_version(one.name(), source, known.run_id, tags)
    one.client.create_model_version(one.name(), source, known.run_id, known.tags)
    one.client.create_model_version(one.name(), source, known.run_id, {"kind": "of others"})

    assert healed(one) == [
        f"registry: {one.name()}/3 in MLflow is the same prompt as version 1",
        f"registry: {one.name()}/2 in MLflow is of a prompt that lineage does not know",
    ]
    left = one.client.search_model_versions(f"name = '{one.name()}'")
    assert sorted(int(version.version) for version in left) == [1, 4]


def test_of_many_versions_that_lineage_does_not_know_none_is_deleted(one, unchanged):
    known = one.version(1)
    tags = known.tags | {"lineage_run": "e" * 32}
    for digit in "def":
        others = tags | {"digest": digit * 64}
        one.client.create_model_version(one.name(), known.source, known.run_id, others)

    assert unchanged(one) == [
        "registry: 3 versions in MLflow are of prompts that this lineage does not know"
    ]
    assert one.mend() == []


def test_a_logged_model_without_a_version_is_deleted(one, healed):
    tags = {"kind": "soft-prompt", "digest": "f" * 64, "lineage_run": "e" * 32}
    lost = one.client.create_logged_model(one.experiment, name="lost", tags=tags)
    mine = one.client.get_logged_model(one.version(1).tags["logged_model"])
    twice = one.client.create_logged_model(one.experiment, name="twice", tags=mine.tags)

    assert set(healed(one)) == {
        f"registry: the logged model {model.model_id} in MLflow has no version"
        for model in (lost, twice)
    }
    (left,) = one.client.search_logged_models([one.experiment])
    assert left.model_id == mine.model_id


def test_a_publisher_that_was_killed_is_finished(patient, healed, python):
    sha = patient.train("rte", 1, losses=False)
    review(patient.lineage, patient.store)
    killed = python(PUBLISHER, patient.folder, "create_model_version", "after")
    assert killed.wait(timeout=120) == -9
    assert patient.version(1).tags["digest"] == sha
    assert patient.lineage.best("rte").version is None  # half-registered: not to be seen

    (found,) = healed(patient)
    assert found.startswith("outbox: MLflow was not told of 2 things yet")
    assert patient.lineage.best("rte").version == 1
    assert aliases(patient) == {"champion": 1}


def test_a_run_that_was_half_written_is_deleted_and_written_again(one, healed):
    tags = {"lineage_run": one.lineage.best("rte").lineage}
    half = one.client.create_run(one.experiment, tags=tags)
    foreign = one.client.create_run(one.experiment)

    run_id = half.info.run_id
    assert healed(one) == [
        f"registry: the run {run_id} in MLflow was never finished: its publisher was killed"
    ]
    left = {run.info.run_id for run in one.client.search_runs([one.experiment])}
    assert left == {one.version(1).run_id, foreign.info.run_id}


def test_while_mlflow_is_down_it_is_said_and_the_rest_is_examined(one, unchanged):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # bound, but nobody listens
        one.uri = f"http://127.0.0.1:{free.getsockname()[1]}"
        one.path(one.prompts[0]).unlink()
        one.examine = examine
        store, registry = unchanged(one)
    assert "is not in the store" in store
    assert registry.startswith("registry: MLflow failed")


def test_while_another_process_publishes_mlflow_is_left_alone(one):
    with hold(one.lineage.database.engine, one.lineage.locks, "relay-registry"):
        (skipped,) = examine(one.home())
    assert skipped == Skipped(
        "registry", "another process is telling MLflow: look again when it is done"
    )


def test_a_home_without_mlflow_gets_none(patient, unchanged):
    (patient.folder / "mlflow.db").unlink()
    assert unchanged(patient) == []
    assert not (patient.folder / "mlflow.db").exists()
