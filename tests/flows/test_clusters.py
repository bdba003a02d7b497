"""The same flow on real Ray and Dask clusters of four workers, one of which is killed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = [pytest.mark.servers, pytest.mark.timeout(3000)]

ROOT = Path(__file__).parents[2]
DOWN = "http://127.0.0.1:9"  # nothing listens at the discard port
TARGETS = ["cola", "cb"]


def children(pid):
    """Return all processes below one, nearest first."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:
            continue
        parent = int(text.rpartition(")")[2].split()[1])
        if parent == pid:
            found.append(int(stat.parent.name))
    return found + [far for one in found for far in children(one)]


def command(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def parent(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def a_busy_worker(flow):
    """Return a worker's process that supervises a job which is training now, or None.

    Below a worker is its nursery, and below that are its jobs.
    """
    nurseries = [pid for pid in children(flow) if "flows.nursery" in command(pid)]
    return next((parent(one) for one in nurseries if children(one)), None)


@pytest.mark.parametrize("engine", ["dask", "ray"])
def test_every_job_ends_once_though_a_worker_is_killed(make_home, spec, server, engine, tmp_path):
    pytest.importorskip(engine)
    home = make_home()
    steps = {"steps": 60, "batch_size": 4, "validations": 2}
    whole = spec | {"seeds": [0, 1], "adapt": steps, "learn": steps, "teach": steps}
    env = {**os.environ, **home.settings, "PYTHONPATH": str(ROOT), "PREFECT_API_URL": server}
    env |= {
        "PROMPT_TRANSFER_ENGINE": engine,
        "PROMPT_TRANSFER_WORKERS": "4",
        "PROMPT_TRANSFER_SLOTS": str(home.folder / "slots"),
        "PROMPT_TRANSFER_STORE_URL": f"file://{tmp_path}/shared",
        "PROMPT_TRANSFER_MLFLOW_URL": DOWN,
        "OMP_NUM_THREADS": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    words = ["run", str(home.write(whole)), "--json"]
    flow = subprocess.Popen(
        [sys.executable, "-m", "flows", *words],
        env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        worker = None
        while worker is None and flow.poll() is None:
            training = home.query("SELECT 1 FROM run WHERE stage = 'teach' AND status = 'running'")
            worker = a_busy_worker(flow.pid) if training else None
            time.sleep(0.05)
        os.kill(worker, signal.SIGKILL)
        out, err = flow.communicate(timeout=2400)
    finally:
        flow.kill()
    assert flow.returncode == 0, err
    assert [row["task"] for row in json.loads(out)["rows"]] == TARGETS
    # Each request has one run that completed, and one attempt was cut short.
    requests = "SELECT count(*), count(DISTINCT request_sha) FROM run WHERE status = 'completed'"
    ((runs, different),) = home.query(requests)
    assert runs == different == 2 * (2 + 1) + 2 * 2 * 2 * 2 + 2 * 2
    assert home.query("SELECT count(*) FROM run WHERE status = 'abandoned'") == [(1,)]
    assert not (home.folder / "store").exists()  # all of it is at the URL
    assert list((tmp_path / "shared" / "checkpoints").glob("*")) == []
