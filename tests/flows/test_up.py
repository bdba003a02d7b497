"""`up` before it starts anything: what it would start, who may read what, and what is refused."""

import fcntl
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from unittest import mock

import psutil
import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.servers import record
from flows.servers.children import Child, ProgramEnds, stop
from flows.servers.databases import mlflow_database, prefect_database
from flows.servers.keys import BadKeys, keys_at
from flows.servers.plan import Program, Site
from flows.servers.preparing import alone, site
from flows.servers.record import Record
from flows.settings import Settings
from tests.waiting import lives, wait

ROOT = Path(__file__).parents[2]
SECRET = "s3cret"


@pytest.fixture
def free_port():
    """Return a maker of ports at which nothing listens."""

    def make():
        with socket.socket() as tried:
            tried.bind(("127.0.0.1", 0))
            return tried.getsockname()[1]

    return make


@pytest.fixture
def place(tmp_path, free_port):
    (tmp_path / "servers").mkdir()
    return site(tmp_path, free_port(), free_port())


@pytest.fixture
def lock(tmp_path):
    with record.held(tmp_path / "lock") as descriptor:
        yield descriptor


def programs(place: Site):
    clients = place.for_clients(Settings(lineage_url=f"postgresql://me:{SECRET}@host/name"))
    return [
        place.prefect_server({"PREFECT_SERVER_DATABASE_CONNECTION_URL": f"x://:{SECRET}@y"}),
        place.mlflow_server(f"postgresql://me:{SECRET}@host/name", place.home),
        place.registering(clients, runs=3),
        place.worker(clients),
    ]


def test_no_secret_stands_in_a_command_line_which_anybody_can_read(place):
    keys = place.keys
    for program in programs(place):
        line = " ".join(program.command)
        for secret in (SECRET, keys.prefect, keys.prefect.split(":")[1], keys.mlflow, keys.cookies):
            assert secret not in line
            assert secret not in repr(program)


def test_servers_listen_on_this_machine_only_and_know_no_other_origin(place):
    prefect, mlflow, *_ = programs(place)
    for one in (prefect, mlflow):
        assert one.arguments[one.arguments.index("--host") + 1] == "127.0.0.1"
    origins = prefect.environment["PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS"].split(",")
    assert {urlhost(one) for one in origins} == {"127.0.0.1", "localhost"}
    hosts = mlflow.environment["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    assert {one.partition(":")[0] for one in hosts} == {"127.0.0.1", "localhost"}


def urlhost(url):
    return url.removeprefix("http://").partition(":")[0]


def test_both_servers_ask_for_passwords_and_no_two_are_equal(place):
    prefect, mlflow, *_ = programs(place)
    assert prefect.environment["PREFECT_SERVER_API_AUTH_STRING"] == place.keys.prefect
    assert "basic-auth" in mlflow.arguments
    assert mlflow.environment["MLFLOW_AUTH_ADMIN_PASSWORD"] == place.keys.mlflow
    assert len({place.keys.prefect.split(":")[1], place.keys.mlflow, place.keys.cookies}) == 3
    assert "NO_PERMISSIONS" in (place.home / "servers" / "mlflow.ini").read_text()


def test_passwords_are_made_once_and_only_their_owner_can_read_them(tmp_path):
    file = tmp_path / "servers" / "keys.json"
    first, new = keys_at(file)
    assert new
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert keys_at(file) == (first, False)


def test_passwords_that_others_may_have_read_are_refused(tmp_path):
    file = tmp_path / "keys.json"
    keys_at(file)
    file.chmod(0o644)
    with pytest.raises(BadKeys, match=r"others may have read it \(mode 644\): delete it"):
        keys_at(file)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"prefect": 1, "other": 2}'])
def test_a_damaged_file_of_passwords_is_told(text, tmp_path):
    file = tmp_path / "keys.json"
    file.write_text(text)
    file.chmod(0o600)
    with pytest.raises(BadKeys, match="it is damaged"):
        keys_at(file)


def test_with_new_passwords_mlflow_forgets_the_users_of_the_old(tmp_path, free_port):
    users = tmp_path / "servers" / "mlflow_users.db"
    users.parent.mkdir()
    users.touch()
    site(tmp_path, free_port(), free_port())
    assert not users.exists()
    users.touch()
    site(tmp_path, free_port(), free_port())
    assert users.exists()


RECORD = Record(
    pid=1,
    programs={"prefect": 2},
    addresses={"prefect": "http://127.0.0.1:4200"},
    environment={
        "PREFECT_API_URL": "http://127.0.0.1:4200/api",
        "PREFECT_API_AUTH_STRING": "admin:a",
        "PROMPT_TRANSFER_MLFLOW_URL": "http://127.0.0.1:5000",
        "MLFLOW_TRACKING_USERNAME": "admin",
        "MLFLOW_TRACKING_PASSWORD": "b",
    },
)


def joined(home, **given):
    """Return what a command of `home` has in its environment."""
    with mock.patch.dict(os.environ, given, clear=True):
        record.join(home)
        return dict(os.environ)


def test_a_command_finds_what_is_up_only_while_it_is_up(tmp_path):
    record.write(tmp_path, RECORD)
    assert (tmp_path / "servers" / "servers.json").stat().st_mode & 0o777 == 0o600
    assert joined(tmp_path) == {}  # left behind by a crash
    with record.held(tmp_path / "servers" / "servers.lock"):
        assert record.read(tmp_path) == RECORD
        assert joined(tmp_path) == RECORD.environment
    assert joined(tmp_path) == {}


def test_what_the_user_set_wins_and_gets_no_password_of_ours(tmp_path):
    record.write(tmp_path, RECORD)
    other = {"PREFECT_API_URL": "http://other/api", "PROMPT_TRANSFER_MLFLOW_URL": "http://mlflow"}
    with record.held(tmp_path / "servers" / "servers.lock"):
        assert joined(tmp_path, **other) == other
        one = {"PREFECT_API_URL": "http://other/api"}
        assert joined(tmp_path, **one)["MLFLOW_TRACKING_PASSWORD"] == "b"
        assert "PREFECT_API_AUTH_STRING" not in joined(tmp_path, **one)


def test_a_lock_ends_with_the_last_process_that_inherited_it(tmp_path):
    lock = tmp_path / "lock"
    with record.held(lock) as descriptor:
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=-1, pass_fds=[descriptor])
    assert record.is_held(lock)
    with record.held(lock) as second:
        assert second is None
    child.communicate(b"\n")
    assert not record.is_held(lock)


def test_a_second_up_is_told_so(home):
    folder = home.folder / "servers"
    folder.mkdir()
    with record.held(folder / "up.lock"), record.held(folder / "servers.lock"):
        record.write(home.folder, RECORD)
        said = home.run("up")
    assert said.status == 75
    assert "is up already (http://127.0.0.1:4200)" in said.err
    assert "`kill 1`" in said.err
    assert said.err.count("\n") == 1


@pytest.mark.parametrize("taken", ["prefect", "mlflow"])
def test_a_port_that_is_taken_is_told_before_anything_starts(taken, home, free_port):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        ports = {"prefect": free_port(), "mlflow": free_port(), taken: other.getsockname()[1]}
        words = [f"--{name}-port={port}" for name, port in ports.items()]
        said = home.run("up", *words)
    assert said.status == 2
    assert f"--{taken}-port is {ports[taken]}, and another program listens there" in said.err
    assert said.err.count("\n") == 1
    assert not (home.folder / "servers" / "servers.json").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("up --prefect-port 0", "--prefect-port"),
        ("up --mlflow-port 70000", "--mlflow-port"),
        ("up --runs 0", "--runs"),
        ("up --prefect-port 4999 --mlflow-port 4999", "another program listens there"),
        ("up --home {file}", "--home"),
    ],
)
def test_wrong_flags_of_up_are_one_line(words, told, home, tmp_path):
    (tmp_path / "file").touch()
    said = home.run(*words.format(file=tmp_path / "file").split())
    assert said.status == 2
    assert told in said.err
    assert said.err.count("\n") == 1


DATABASES = {
    "sqlite:///x.db": "it is no PostgreSQL",
    f"mysql://me:{SECRET}@host/name": "it is no PostgreSQL",
    f"me:{SECRET}@host": "it is no URL",
}


@pytest.mark.parametrize("url", DATABASES)
@pytest.mark.parametrize("server", ["prefect", "mlflow"])
def test_a_database_that_is_no_postgresql_is_told_without_its_password(
    url, server, home, free_port
):
    variable = {f"{server}_database_url": url}
    ports = [f"--{name}-port={free_port()}" for name in ("prefect", "mlflow")]
    said = home.run("up", *ports, **variable)
    assert said.status == 2
    assert f"PROMPT_TRANSFER_{server.upper()}_DATABASE_URL" in said.err
    assert DATABASES[url] in said.err
    assert SECRET not in said.err
    assert said.err.count("\n") == 1


def test_a_database_that_is_down_is_status_75_and_told_without_its_password(home, free_port):
    url = f"postgresql://me:{SECRET}@127.0.0.1:{free_port()}/name"
    ports = [f"--{name}-port={free_port()}" for name in ("prefect", "mlflow")]
    said = home.run("up", *ports, mlflow_database_url=url)
    assert said.status == 75
    assert "does not answer" in said.err
    assert SECRET not in said.err
    assert said.err.count("\n") == 1


def test_without_urls_both_databases_are_files_of_the_home(tmp_path):
    with mock.patch.dict(os.environ, clear=True):
        assert prefect_database() == {}  # Prefect's own default, in PREFECT_HOME
        assert mlflow_database(tmp_path) == f"sqlite:///{tmp_path}/mlflow.db"


def script(tmp_path, name, text):
    """Return a program of `up` that is a few lines of Python."""
    file = tmp_path / f"{name}.py"
    file.write_text(text)
    return Program(name, (str(file),), {"SAID": "hello"})


def test_a_program_that_ends_is_started_again_until_it_ends_too_often(tmp_path, lock):
    text = "import os, sys; print(os.environ['SAID'], len(sys.argv)); sys.exit(7)"
    child = Child(script(tmp_path, "quick", text), tmp_path, lock)
    child.start()
    for _ in range(2):
        wait(lambda: child.status is not None)
        assert child.watch() == "quick ended (status 7: hello 1): started again"
    wait(lambda: child.status is not None)
    with pytest.raises(ProgramEnds, match=r"ended 3 times within a minute .*'hello 1'"):
        child.watch()
    assert child.log.read_text() == "hello 1\n" * 3


def test_the_log_of_the_time_before_is_kept(tmp_path, lock):
    for said in ("one", "two"):
        child = Child(script(tmp_path, "short", f"print('{said}')"), tmp_path, lock)
        child.start()
        wait(lambda child=child: child.status is not None)
    assert (tmp_path / "short.log").read_text() == "two\n"
    assert (tmp_path / "short.log.1").read_text() == "one\n"


STUBBORN = """
import signal, subprocess, sys, time
if len(sys.argv) == 1:
    subprocess.Popen([sys.executable, __file__, "child"], start_new_session=True)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(60)
"""


def test_stopping_ends_a_program_and_all_that_it_started_even_what_does_not_listen(tmp_path, lock):
    child = Child(script(tmp_path, "stubborn", STUBBORN), tmp_path, lock)
    child.start()
    wait(lambda: child.log.read_text().count("ready") == 2)
    family = [child.pid, *(one.pid for one in psutil.Process(child.pid).children(recursive=True))]
    assert len(family) == 2
    stop([child.pid], patience=0.3)
    assert not [pid for pid in family if lives(pid)]


def test_stopping_what_has_ended_does_nothing():
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    stop([ended.pid, 0])


def test_what_a_dead_up_left_running_is_stopped_by_the_next(tmp_path):
    folder = tmp_path / "servers"
    folder.mkdir()
    code = (
        "import fcntl, sys, time; fcntl.flock(int(sys.argv[1]), fcntl.LOCK_EX); "
        "print('held', flush=True); time.sleep(60)"
    )
    with (folder / "servers.lock").open("w") as lock:
        left = subprocess.Popen(
            [sys.executable, "-c", code, str(lock.fileno())], pass_fds=[lock.fileno()], stdout=-1
        )
        assert left.stdout.readline() == b"held\n"
    record.write(tmp_path, Record(1, {"prefect": left.pid}, {}, {}))
    said = []
    with alone(tmp_path, said.append) as descriptor:
        assert not lives(left.pid)
        assert fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB) is None
    assert said == ["stopping what an earlier `up`, which was killed, left running"]


def test_status_answers_when_nothing_is_up(home):
    # Other tests of this process may have a server.
    with mock.patch.dict(os.environ), temporary_settings(restore_defaults={PREFECT_API_URL}):
        os.environ.pop("PREFECT_API_URL", None)
        said = home.run("status", "--json")
        people = home.run("status")
    assert said.status == people.status == 0
    assert [one["healthy"] for one in said.json["servers"]] == [False, False]
    assert people.out.split()[3:] == ["prefect", "down", "mlflow", "down"]


def test_prefect_finds_a_home_and_does_not_warn_of_one_that_is_not_there_yet(tmp_path):
    given = {"PROMPT_TRANSFER_HOME": str(tmp_path / "deep" / "home"), "PYTHONPATH": str(ROOT)}
    clean = {name: value for name, value in os.environ.items() if "PREFECT" not in name}
    said = subprocess.run(
        [sys.executable, "-m", "flows", "status"],
        env=clean | given, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert said.stderr == ""


def test_no_password_of_a_database_is_shown_by_status(home):
    said = home.run("status", mlflow_url=f"postgresql://me:{SECRET}@127.0.0.1/name")
    assert said.status == 0
    assert SECRET not in said.out + said.err


def test_the_record_is_json_that_any_program_can_read(tmp_path):
    record.write(tmp_path, RECORD)
    told = json.loads(Path(tmp_path, "servers", "servers.json").read_text())
    assert told["addresses"] == {"prefect": "http://127.0.0.1:4200"}
