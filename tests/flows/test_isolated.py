"""Whole commands whose jobs have processes of their own, and what is left when those are killed."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flows.slots import SHARES, Device, listing
from tests.waiting import lives, wait

pytestmark = [pytest.mark.servers, pytest.mark.timeout(1800)]

ROOT = Path(__file__).parents[2]
DOWN = "http://127.0.0.1:9"  # nothing listens at the discard port
LONG = {"steps": 400, "batch_size": 4, "validations": 2}


class Command:
    """`prompt-transfer` in a process of its own."""

    def __init__(self, home, server, *words, **settings):
        given = {"MLFLOW_URL": DOWN, "GPUS": "4", "SLOTS": home.folder / "slots"} | settings
        env = {f"PROMPT_TRANSFER_{name}": str(value) for name, value in given.items()}
        self.home = home
        self.process = subprocess.Popen(
            [sys.executable, "-m", "flows", *map(str, words)],
            env={**os.environ, **home.settings, **env}
            | {"PYTHONPATH": str(ROOT), "PREFECT_API_URL": server},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def end(self):
        out, err = self.process.communicate(timeout=900)
        return self.process.returncode, out, err

    def job(self):
        """Return the process of the last job that began."""
        found = [
            (os.stat(log).st_mtime, int(pid))
            for log in (self.home.folder / "logs").glob("*.log")
            for pid in re.findall(r"in process (\d+)", log.read_text())
        ]
        return max(found)[1] if found else None


def held(home, gpus=1):
    """Return the shares of pretended GPUs that are held."""
    devices = [Device(f"fake{at}", SHARES, 2**32) for at in range(gpus)]
    return [one for one in listing(home.folder / "slots", devices) if not one.free]


@pytest.fixture
def start(server):
    started = []

    def start(home, *words, **settings):
        started.append(Command(home, server, *words, **settings))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.communicate()


@pytest.fixture
def learning(make_home, spec, start):
    """Start to learn a source prompt; return when its training has saved itself."""

    def learning(**settings):
        home = make_home()
        command = start(home, "learn", home.write(spec | {"learn": LONG}), "--json", **settings)
        asked = "SELECT request_sha FROM run WHERE stage = 'learn' AND status = 'running'"
        wait(
            lambda: [
                one for one in home.query(asked)
                if (home.folder / "checkpoints" / f"{one[0]}.safetensors").exists()
            ]
        )  # fmt: skip
        return home, command

    return learning


@pytest.fixture(scope="module")
def undisturbed(make_home, spec, server):
    """The digest of that source prompt, learned without any trouble."""
    home = make_home()
    command = Command(home, server, "learn", home.write(spec | {"learn": LONG}), "--json")
    status, out, err = command.end()
    assert status == 0, err
    return json.loads(out)[0]["prompt"]


def test_on_four_gpus_every_target_is_done_and_no_gpu_is_left_taken(
    make_home, spec, start, transferred
):
    home = make_home()
    status, _, err = start(home, "run", home.write(spec), GPUS="4,4,4,4").end()
    assert status == 0, err
    runs = "SELECT stage, task, status FROM run ORDER BY stage, task"
    assert home.query(runs) == transferred[0].query(runs)
    assert not held(home, gpus=4)
    assert err.count(": done in ") >= 13


@pytest.mark.parametrize("victim", ["job", "flow"])
def test_whoever_is_killed_the_result_is_the_same_and_nothing_is_left(
    learning, start, undisturbed, victim
):
    home, command = learning()
    job = command.job()
    if victim == "job":
        os.kill(job, signal.SIGKILL)
    else:
        command.process.kill()
        command.process.wait()
        wait(lambda: not lives(job), seconds=5, pause=0.02)
        wait(lambda: not held(home), seconds=1, pause=0.02)
        command = start(home, "learn", home.folder / "spec.yaml", "--json")
    status, out, err = command.end()
    assert status == 0, err
    assert json.loads(out)[0]["prompt"] == undisturbed
    attempts = home.query("SELECT attempt, status FROM run WHERE stage = 'learn' ORDER BY attempt")
    assert attempts == [(1, "abandoned"), (2, "completed")]
    assert not held(home)


def test_a_stop_is_passed_on_and_the_run_says_that_it_failed(learning):
    home, command = learning()
    job = command.job()
    command.process.send_signal(signal.SIGTERM)
    status, _, err = command.end()
    assert status == 130, err
    assert "Traceback" not in err
    assert not lives(job)
    assert home.query("SELECT status FROM run WHERE stage = 'learn'") == [("failed",)]
    assert not held(home)


def test_a_job_that_is_killed_each_time_is_given_up_and_the_other_target_ends(
    make_home, spec, start
):
    home = make_home()
    command = start(home, "run", home.write(spec | {"targets": ["cola", "cb"]}), GPUS="4,4")
    killed = set()
    while command.process.poll() is None:
        for log in (home.folder / "logs").glob("*.log"):
            said = log.read_text()
            if '"recipe":"AdaptSpec"' not in said or '"task":"cb"' not in said:
                continue
            pid = int(re.findall(r"in process (\d+)", said)[-1])
            if pid not in killed:
                killed.add(pid)
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
    status, _, err = command.end()
    assert (status, len(killed)) == (4, 3)
    assert "1 of 2 targets failed (cb: JobDied: adapt cb seed 0: its process" in err
    done = "SELECT task FROM run WHERE stage = 'adapt' AND status = 'completed'"
    assert home.query(done) == [("cola",)]
    assert not held(home, gpus=2)
