"""Flow runs whose process is gone: found, marked as crashed, and started again a few times."""

import os
import subprocess
import sys
from uuid import UUID

import pytest
from prefect.states import Cancelling, Crashed, Running

from flows.prefect_api import prefect_client
from flows.servers.flow_runs import alive
from flows.servers.reviving import TRIES, bury, revive

CHILD = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(1); input()'])"


@pytest.fixture
def run(deployed):
    """Make a flow run that has been in these states; its id."""

    def make(*states):
        with prefect_client() as client:
            known = client.read_deployment_by_name("reconcile/prompt-transfer")
            made = client.create_flow_run_from_deployment(known.id)
            for state in states:
                client.set_flow_run_state(made.id, state, force=True)
        return str(made.id)

    return make


@pytest.fixture
def state(deployed):
    def read(run):
        with prefect_client() as client:
            return client.read_flow_run(UUID(run)).state_type.value

    return read


def test_a_run_without_a_process_has_crashed_and_is_started_again(deployed, run, state):
    server = {"PREFECT_API_URL": deployed}
    dead, living, stopped = run(Running()), run(Running()), run(Running(), Cancelling())
    assert {dead, stopped} <= set(bury(server, {living})) - {living}
    assert [state(one) for one in (dead, living, stopped)] == ["CRASHED", "RUNNING", "CANCELLED"]
    assert dead in revive(server, {living})
    assert [state(one) for one in (dead, stopped)] == ["SCHEDULED", "CANCELLED"]
    assert dead not in revive(server, {living})


def test_what_crashes_each_time_is_left_to_a_person(deployed, run, state):
    server = {"PREFECT_API_URL": deployed}
    poison = run(*[one for _ in range(TRIES) for one in (Running(), Crashed())])
    assert poison not in revive(server, {})
    assert state(poison) == "CRASHED"


def test_what_has_crashed_for_the_server_and_lives_is_not_started_beside_itself(
    deployed, run, state
):
    server = {"PREFECT_API_URL": deployed}
    deaf = run(Running(), Crashed())
    assert deaf not in revive(server, {deaf})
    assert state(deaf) == "CRASHED"


def test_a_server_that_is_down_is_no_error():
    server = {"PREFECT_API_URL": "http://127.0.0.1:9/api"}
    assert bury(server, {}) == revive(server, {}) == []


def test_the_process_of_a_flow_run_is_found_by_its_home_also_when_nobody_remembers_it(tmp_path):
    given = {"PREFECT__FLOW_RUN_ID": "a-run", "PROMPT_TRANSFER_HOME": str(tmp_path)}
    flow = subprocess.Popen(
        [sys.executable, "-c", CHILD], env=os.environ | given, stdin=-1, stdout=-1
    )
    assert flow.stdout.readline() == b"1\n"  # it has a child by now, which inherits its variables
    assert alive(tmp_path) == {"a-run": flow.pid}
    assert alive(tmp_path / "other") == {}
    flow.communicate(b"\n")
    assert alive(tmp_path) == {}
