"""`up` for real: servers that answer, and to whom; what runs on them; and that they end."""

import json
import os
import signal
import time
from datetime import datetime

import psutil
import pytest
import yaml

from tests.flows.running import started
from tests.waiting import lives, wait

POSTGRES = "postgresql://postgres@127.0.0.1:5432/postgres"

pytestmark = [pytest.mark.servers, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def up(make_home):
    """Servers in an empty home."""
    home = make_home()
    for file in home.folder.iterdir():
        file.unlink()
    with started(home) as running:
        yield running


@pytest.fixture(scope="module")
def learned(up, spec):
    """The same, with a source prompt, which was learned on the server."""
    file = up.home.write(spec | {"targets": []})
    said = up.run("learn", file, "--remote", "--wait", "--json")
    assert said.returncode == 0, said.stderr
    return up, json.loads(said.stdout)


def test_in_an_empty_folder_all_comes_up_and_says_so(up):
    assert up.ask(f"{up.told['prefect']}/api/health").status == 200
    assert up.ask(f"{up.told['mlflow']}/health").status == 200
    told = json.loads(up.run("status", "--json").stdout)
    assert {one["name"]: one["healthy"] for one in told["servers"]} == {
        "prefect": True, "mlflow": True, "worker": True,
    }  # fmt: skip
    assert [one["name"] for one in told["queues"]] == ["upkeep", "few-shot", "adapt", "sweep"]
    assert {"learn-source", "transfer", "adapt-target", "few-shot", "evaluate"} <= set(
        told["deployments"]
    )
    assert told["slots"][0]["all"] == 2
    people = up.run("status").stdout
    assert "sweep" in people
    assert "upkeep" in people


def test_who_has_no_password_gets_nothing(up):
    flows, runs = f"{up.told['prefect']}/api/flows/count", f"{up.told['mlflow']}/api/2.0/mlflow"
    for login in (None, "admin:wrong", "admin:"):
        assert up.ask(flows, {}, login).status == 401
        assert up.ask(f"{runs}/experiments/search", {"max_results": 1}, login).status == 401
    assert up.prefect("/flows/count", {}).status == 200
    assert up.mlflow("/experiments/search", {"max_results": 1}).status == 200


def test_a_page_of_another_origin_can_do_nothing(up):
    flows = f"{up.told['prefect']}/api/flows/count"
    # Its name may lead to this machine ("DNS rebinding"); it has no password all the same.
    assert up.ask(flows, {}, Host="evil.example").status == 401
    assert up.ask(flows, {}, Origin="http://evil.example").status == 401
    allowed = up.prefect("/flows/count", {}, Origin="http://evil.example").heads
    assert not [name for name in allowed if name.lower() == "access-control-allow-origin"]
    ours = up.prefect("/flows/count", {}, Origin=up.told["prefect"]).heads
    assert up.told["prefect"] in ours.values()
    for heads in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}):
        assert up.mlflow("/experiments/create", {"name": "x"}, **heads).status == 403


def test_servers_listen_on_this_machine_only(up):
    listening = [
        one.laddr.ip
        for pid in up.family
        for one in psutil.Process(pid).net_connections("tcp")
        if one.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 2
    assert set(listening) == {"127.0.0.1"}


def test_who_starts_a_run_cannot_have_a_command_of_theirs_run(up, tmp_path):
    made = tmp_path / "made"
    run = f"/deployments/{up.deployment('reconcile')['id']}/create_flow_run"
    theirs = [
        {"command": f"touch {made}"},
        {"env": {"PYTHONPATH": str(tmp_path)}},
        {"env.PYTHONSTARTUP": str(made)},
        {"working_dir": str(tmp_path)},
    ]
    without = up.ask(f"{up.told['prefect']}/api{run}", {"job_variables": theirs[0]})
    assert without.status == 401
    for variables in theirs:
        refused = up.prefect(run, {"job_variables": variables})
        assert refused.status == 422
        assert "Additional properties are not allowed" in refused.body
    assert not made.exists()


def test_parameters_that_no_spec_allows_are_refused_before_there_is_a_run(up):
    run = f"/deployments/{up.deployment('evaluate')['id']}/create_flow_run"
    for spec in ({"task": "rte", "seed": -1}, {"task": "rte", "other": 1}, {}):
        refused = up.prefect(run, {"parameters": {"spec": spec}})
        assert refused.status == 409, refused
    assert up.runs("evaluate") == []


def test_a_cron_line_makes_scheduled_runs_and_deploying_again_changes_nothing(up, spec):
    file = up.home.folder / "nightly.yaml"
    file.write_text(yaml.safe_dump(spec))
    words = ["deploy", "transfer", file, "--cron", "30 3 * * 1-5", "--timezone", "Europe/Berlin"]
    for _ in range(2):
        said = up.run(*words)
        assert said.returncode == 0, said.stderr
    assert up.run("deploy").returncode == 0
    (one,) = up.deployment("transfer")["schedules"]
    assert one["slug"] == "nightly"
    assert one["schedule"]["cron"] == "30 3 * * 1-5"
    scheduled = wait(lambda: up.runs("transfer", "SCHEDULED"))
    assert all(run["auto_scheduled"] for run in scheduled)
    assert scheduled[0]["parameters"]["spec"]["name"] == spec["name"]
    assert len({run["expected_start_time"] for run in scheduled}) == len(scheduled)
    told = json.loads(up.run("status", "--json").stdout)["schedules"]
    nightly = next(one for one in told if one["name"] == "nightly")
    assert nightly["next"] is not None
    assert len(up.deployment("reconcile")["schedules"]) == 1
    silent = {"automations": {"name": {"any_": ["prompt-transfer: silent runs have crashed"]}}}
    assert len(up.prefect("/automations/filter", silent).json) == 1


def test_upkeep_runs_by_itself(up):
    done = wait(
        lambda: [one for one in up.runs("reconcile", "COMPLETED") if one["auto_scheduled"]],
        seconds=500,
    )
    # A worker takes a run some seconds early, and Prefect's start is when it began to wait.
    moment = datetime.fromisoformat
    assert all(moment(one["end_time"]) >= moment(one["expected_start_time"]) for one in done)


def test_an_adaptation_on_the_server_ends_like_one_here_and_twice_is_one_run(learned):
    up, _ = learned
    backbone = up.home.query("SELECT name FROM backbone")[0][0]
    words = ["adapt", "cb", "--backbone", backbone, "--steps", "2", "--batch-size", "4"]
    there = up.run(*words, "--remote", "--wait")
    assert there.returncode == 0, there.stderr
    here = up.run(*words)
    assert here.returncode == 0, here.stderr
    assert there.stdout == here.stdout
    assert "/runs/flow-run/" in there.stderr

    before = len(up.runs("adapt-target"))
    first, second = (json.loads(up.run(*words, "--remote", "--json").stdout) for _ in range(2))
    assert first["id"] == second["id"]
    assert first["id"] in there.stderr
    assert second["state"] == "Completed"
    assert len(up.runs("adapt-target")) == before
    query = "SELECT status, count(*) FROM run WHERE stage = 'adapt' GROUP BY status"
    assert up.home.query(query) == [("completed", 1)]


def test_what_a_run_on_the_server_recorded_is_registered_with_its_mlflow(learned):
    up, sources = learned
    assert sources[0]["unregistered"] == ""
    assert sources[0]["version"].endswith(".multitask/1")
    models = up.mlflow("/registered-models/search?max_results=10").json["registered_models"]
    assert sources[0]["version"].removesuffix("/1") in [one["name"] for one in models]


def test_a_job_that_fails_on_the_server_has_the_status_and_the_line_of_one_here(learned, data):
    up, _ = learned
    backbone = up.home.query("SELECT name FROM backbone")[0][0]
    words = ["adapt", "cola", "--backbone", backbone, "--steps", "2", "--learning-rate", "1e38"]
    there, here = up.run(*words, "--remote", "--wait"), up.run(*words)
    assert there.returncode == here.returncode == 4, there.stderr
    assert there.stderr.splitlines()[-1] == here.stderr.splitlines()[-1]
    assert there.stdout == ""


def test_no_password_is_anywhere_but_in_the_two_files_that_only_their_owner_reads(learned):
    up, _ = learned
    keys = up.keys
    secrets = [keys["prefect"].split(":")[1], keys["mlflow"], keys["cookies"]]
    found = {
        file.name
        for file in up.home.folder.rglob("*")
        if file.is_file() and any(one.encode() in file.read_bytes() for one in secrets)
    }
    assert found == {"keys.json", "servers.json"}
    for name in found:
        assert (up.folder / name).stat().st_mode & 0o777 == 0o600
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or [])
        assert not [one for one in secrets if one in line]


def test_a_second_up_in_the_same_home_is_status_75(up):
    said = up.run("up")
    assert said.returncode == 75
    assert f"is up already ({up.told['prefect']} and {up.told['mlflow']})" in said.stderr
    assert said.stderr.count("\n") == 1


def test_a_server_that_is_killed_is_started_again(up):
    before = up.programs["worker"]
    os.kill(before, signal.SIGKILL)
    wait(lambda: up.programs["worker"] != before)
    assert up.process.poll() is None
    wait(lambda: '"healthy": false' not in up.run("status", "--json").stdout)


def test_sigterm_leaves_nothing_running_and_neither_does_the_next_after_a_kill(make_home):
    home = make_home()
    with started(home) as running:
        family = running.family
        assert len(family) >= 5
        running.process.kill()
        running.process.communicate()
        left = [pid for pid in family[1:] if lives(pid)]
        assert left  # they serve on, and other commands still find them
        assert running.run("status").stdout.count("healthy") == 3

        running.start()
        assert not [pid for pid in left if lives(pid)]
        family = running.family
        began = time.monotonic()
        _, err = running.stop()
        assert running.process.returncode == 0, err
        assert time.monotonic() - began < 60
        assert not [pid for pid in family if lives(pid)]
        assert err.endswith("all is stopped\n")
        assert not (running.folder / "servers.json").exists()
        said = running.run("deploy")
        assert said.returncode == 2
        assert "`prompt-transfer up` starts one" in said.stderr


@pytest.fixture
def database():
    """The URL of an empty PostgreSQL database."""
    psycopg = pytest.importorskip("psycopg")
    try:
        server = psycopg.connect(POSTGRES, autocommit=True, connect_timeout=5)
    except psycopg.OperationalError:
        pytest.skip("no PostgreSQL answers at 127.0.0.1:5432")
    name = f"pt_up_{os.getpid()}"
    with server:
        server.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'pass%40w'")
        server.execute(f"CREATE DATABASE {name} OWNER {name}")
        yield f"postgresql://{name}:pass%2540w@127.0.0.1:5432/{name}"
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")
        server.execute(f"DROP ROLE {name}")


def test_all_three_may_live_in_one_postgresql_database(database, make_home, spec):
    import psycopg

    home = make_home()
    (home.folder / "lineage.db").unlink()
    (home.folder / "mlflow.db").unlink()
    urls = ("prefect_database_url", "mlflow_database_url", "lineage_url")
    with started(home, **dict.fromkeys(urls, database)) as running:
        said = running.run("learn", home.write(spec | {"targets": []}), "--remote", "--wait")
        assert said.returncode == 0, said.stderr
        assert ".multitask/1" in said.stdout
        assert not list(home.folder.glob("*.db"))
        for line in [" ".join(one.cmdline()) for one in map(psutil.Process, running.family)]:
            assert "pass%" not in line
        for log in running.folder.glob("*.log"):
            assert "pass%" not in log.read_text()
    with psycopg.connect(database) as connection:
        counts = dict(connection.execute(
            "SELECT schemaname, count(*) FROM pg_tables "
            "WHERE schemaname IN ('public', 'prefect', 'mlflow') GROUP BY 1"
        ).fetchall())  # fmt: skip
        assert set(counts) == {"public", "prefect", "mlflow"}
        runs = connection.execute("SELECT count(*) FROM run WHERE status = 'completed'").fetchone()
        assert runs == (3,)
