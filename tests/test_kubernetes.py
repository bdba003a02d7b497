"""What is given to Kubernetes is what its own schemas allow, unknown keys refused."""

import json
import re
from copy import deepcopy
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.servers  # the package that carries the schemas has a hundred megabytes

FOLDER = Path(__file__).parents[1] / "docs" / "kubernetes"
TEMPLATE = json.loads((FOLDER / "base-job-template.json").read_text())
MANIFESTS = list(yaml.safe_load_all((FOLDER / "worker.yaml").read_text()))


def filled(value, variables):
    """Put variables where the template names them, as Prefect does: a value keeps its type."""
    if isinstance(value, dict):
        return {key: filled(one, variables) for key, one in value.items()}
    if isinstance(value, list):
        return [filled(one, variables) for one in value]
    named = re.fullmatch(r"\{\{ (\w+) \}\}", value) if isinstance(value, str) else None
    return variables[named[1]] if named else value


@pytest.fixture(scope="module")
def job():
    """The Job of a flow run that sets no variable."""
    defaults = {name: one["default"] for name, one in TEMPLATE["variables"]["properties"].items()}
    return filled(TEMPLATE["job_configuration"]["job_manifest"], defaults)


@pytest.fixture(scope="module")
def validate():
    checker = pytest.importorskip("kubernetes_validate")
    return lambda one: checker.validate(one, checker.latest_version(), strict=True)


def test_the_job_of_a_flow_run_is_valid(job, validate):
    validate(job)
    container = job["spec"]["template"]["spec"]["containers"][0]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert "{{" not in json.dumps(job)


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda one: one["kind"])
def test_a_manifest_of_the_worker_is_valid(manifest, validate):
    validate(manifest)


def test_a_misspelt_key_would_be_told(job, validate):
    wrong = deepcopy(job)
    wrong["spec"]["template"]["spec"]["containers"][0]["imagePullPolizy"] = "Always"
    with pytest.raises(Exception, match="imagePullPolizy"):
        validate(wrong)


def test_who_starts_a_run_cannot_set_a_command_or_a_variable_of_the_environment():
    assert set(TEMPLATE["variables"]["properties"]) == {"image", "gpus", "cpu", "memory"}
    assert TEMPLATE["variables"]["additionalProperties"] is False
    assert "env" not in TEMPLATE["job_configuration"]


def test_a_pod_is_not_tried_again_behind_our_back_and_is_not_root(job):
    assert job["spec"]["backoffLimit"] == 0
    assert job["spec"]["template"]["spec"]["restartPolicy"] == "Never"
    assert job["spec"]["template"]["spec"]["securityContext"]["runAsNonRoot"] is True
