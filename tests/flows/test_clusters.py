"""The same flow on real clusters: Ray, Dask and a work pool; one of four workers is killed."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from flows.servers.children import stop

pytestmark = [pytest.mark.servers, pytest.mark.timeout(3000)]

ROOT = Path(__file__).parents[2]
DOWN = "http://127.0.0.1:9"  # nothing listens at the discard port
STEPS = {"steps": 60, "batch_size": 4, "validations": 2}


def holder(above, lock):
    """Return the worker below `above` whose job holds a lock now, or None.

    Below a worker is its nursery, and below that are its jobs.
    """
    for one in psutil.Process(above).children(recursive=True):
        with suppress(psutil.Error):
            if any(Path(held.path) == lock for held in one.open_files()):
                return one.parents()[1].pid
    return None


@pytest.fixture
def start(server, tmp_path):
    """Start a program that shares with all others a database, a store and a Prefect server."""
    started = []

    def start(home, engine, *words, **settings):
        given = {
            "ENGINE": engine,
            "SLOTS": home.folder / "slots",
            "STORE_URL": f"file://{tmp_path}/shared",
            "MLFLOW_URL": DOWN,
        }
        env = {**os.environ, **home.settings, "PYTHONPATH": str(ROOT), "PREFECT_API_URL": server}
        env |= {f"PROMPT_TRANSFER_{name}": str(value) for name, value in given.items()}
        env |= {"OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0"}
        env |= {name: str(value) for name, value in settings.items()}
        started.append(
            subprocess.Popen(
                [sys.executable, "-m", *map(str, words)],
                env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )
        )  # fmt: skip
        return started[-1]

    yield start
    for one in started:
        if one.poll() is None:
            stop([one.pid])  # a worker of Prefect may wait for ever for what was killed below it
            one.communicate()


def kill_a_worker(home, flow, above):
    """Kill a worker while it trains a teacher."""
    training = "SELECT request_sha FROM run WHERE stage = 'teach' AND status = 'running'"
    worker = None
    while worker is None and flow.poll() is None:
        locks = [home.folder / "locks" / f"{sha}.lock" for (sha,) in home.query(training)]
        worker = next((found for one in locks if (found := holder(above.pid, one))), None)
        time.sleep(0.05)
    assert worker, flow.communicate()
    os.kill(worker, signal.SIGKILL)


def check_runs(home, shared, count):
    """Each request has one run that completed, and one attempt was cut short."""
    requests = "SELECT count(*), count(DISTINCT request_sha) FROM run WHERE status = 'completed'"
    ((runs, different),) = home.query(requests)
    assert runs == different == count
    assert home.query("SELECT count(*) FROM run WHERE status = 'abandoned'") == [(1,)]
    assert not (home.folder / "store").exists()  # all of it is at the URL
    assert list((shared / "checkpoints").glob("*")) == []


@pytest.mark.parametrize("engine", ["dask", "ray"])
def test_every_job_ends_once_though_a_worker_is_killed(make_home, spec, start, engine, tmp_path):
    pytest.importorskip(engine)
    home = make_home()
    whole = spec | {"adapt": STEPS, "learn": STEPS, "teach": STEPS}
    words = ("flows", "run", home.write(whole), "--json", "--workers", "4")
    flow = start(home, engine, *words)
    kill_a_worker(home, flow, flow)
    out, err = flow.communicate(timeout=2400)
    assert flow.returncode == 0, err
    assert [row["task"] for row in json.loads(out)["rows"]] == ["cola", "cb"]
    check_runs(home, tmp_path / "shared", 2 + 1 + 2 * 2 * 2 + 2 * 2)


def test_a_work_pools_workers_run_each_job_once_though_one_is_killed(
    make_home, spec, start, tmp_path
):
    home = make_home()
    made = start(home, "workpool", "flows.job_pool", "jobs")
    _, err = made.communicate(timeout=600)
    assert made.returncode == 0, err
    worker = start(
        home, "local", "prefect", "worker", "start", "--pool", "jobs", "--limit", "2",
        PREFECT_WORKER_QUERY_SECONDS=2,
    )  # fmt: skip
    file = home.write(spec | {"learn": STEPS, "teach": STEPS})
    words = ("flows", "learn", file, "--json", "--workers", "4")
    flow = start(home, "workpool", *words, PROMPT_TRANSFER_CLUSTER="jobs")
    kill_a_worker(home, flow, worker)
    out, err = flow.communicate(timeout=2400)
    assert flow.returncode == 0, err
    assert json.loads(out)[0]["prompt"]
    check_runs(home, tmp_path / "shared", 2 + 1)
