"""What other systems are still to be told."""

import pytest

from pipelines.doctor.examination import examine
from pipelines.doctor.telling import StillDue


def test_what_was_not_told_yet_is_told(patient, healed):
    sha = patient.train("rte", 1)

    gate, mlflow = healed(patient)
    assert gate.startswith("outbox: the gate did not judge 1 prompts yet, the first asked at 20")
    assert mlflow.startswith("outbox: MLflow was not told of 1 things yet")
    assert patient.lineage.best("rte").version == 1
    assert patient.version(1).tags["standing"] == "champion"
    assert patient.version(1).tags["digest"] == sha


def test_while_runs_are_under_way_only_what_failed_is_said(patient, world, unchanged):
    patient.train("rte", 1)
    with patient.lineage.record(world.request("adapt", "cb", "9")) as run:
        assert unchanged(patient) == []
        patient.sql("UPDATE outbox SET error = 'RegistryDown: no' WHERE sink = 'registry'")
        (found,) = unchanged(patient)
        assert found.endswith("the last error: RegistryDown: no")
        run.prompt = world.prompt(patient.store.put(b"p"))


def test_a_prompt_that_nobody_is_to_publish_is_published(patient, healed):
    sha = patient.train("rte", 1)
    patient.settle()
    patient.sql("UPDATE registration SET version = NULL, closed_at = NULL")

    (found,) = healed(patient)
    assert found == f"outbox: prompt {sha[:12]} for rte is not in MLflow, and nobody is to tell it"
    assert patient.lineage.best("rte").version == 1


def test_what_cannot_be_told_stays_named_with_the_reason(patient):
    lost = patient.train("rte", 1)
    patient.path(lost).unlink()
    patient.home().tell["gate"]()
    patient.home().tell["registry"]()

    store, mlflow = examine(patient.home())
    assert "is not in the store" in store.what
    assert store.mend is None
    assert "MissingContent" in mlflow.what
    with pytest.raises(StillDue, match=f"{lost[:12]} is still due: .*is not in the store"):
        mlflow.mend()
