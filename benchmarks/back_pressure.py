"""What a Prefect server on SQLite feels of ten thousand jobs that wait.

First one flow that plans all of them, and hands Prefect a few at a time; then as many runs of a
deployment that nobody takes. Meanwhile the server is asked ten times a second how many runs it has:

    python -m benchmarks.back_pressure --jobs 10000 --json benchmarks/out/back_pressure.json
"""

import argparse
import asyncio
import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from threading import Event, Thread
from typing import Any

import httpx
import psutil
from sqlalchemy import text

from benchmarks.overhead import our_flow, prefect_server, recorder

PAUSE = 0.1  # seconds between two questions to the server
AT_ONCE = 4  # requests that are under way
STILL = 15.0  # seconds without news after which the server has written what it was told
PATIENCE = 30.0  # seconds for an answer
POOL = "nobody"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["PROMPT_TRANSFER_HOME"] = home
        found = _measured(asked.jobs)
    print(json.dumps(found, indent=1))
    if asked.json:
        asked.json.parent.mkdir(parents=True, exist_ok=True)
        asked.json.write_text(json.dumps(found, indent=1) + "\n")


def _measured(jobs: int) -> dict[str, Any]:
    from flows.settings import Settings, prepare_environment

    prepare_environment(Settings.read())
    record = recorder()
    with prefect_server(), watched() as planned:
        began = time.perf_counter()
        our_flow(jobs, record)
        planned["flow, s"] = round(time.perf_counter() - began, 1)
        planned["runs in lineage"] = _recorded()
        planned["ends that the server has kept"] = asyncio.run(_kept())
    print(json.dumps(planned), flush=True)
    with prefect_server(), watched() as queued:
        looked = asyncio.run(_queue(jobs))
    return {"jobs": jobs, "one flow": planned, "runs that wait": queued | looked}


@contextmanager
def watched() -> Iterator[dict[str, Any]]:
    """Question the server while the block runs; how it was is there when the block has ended."""
    from prefect.settings import PREFECT_API_URL

    over, waits, memory, refused = Event(), list[float](), list[int](), list[int]()
    server = _listening(httpx.URL(PREFECT_API_URL.value()).port)

    def watch() -> None:
        with httpx.Client(base_url=PREFECT_API_URL.value(), timeout=PATIENCE) as client:
            while not over.wait(PAUSE):
                began = time.perf_counter()
                try:
                    refused.append(client.post("/flow_runs/count", json={}).is_error)
                except httpx.TransportError:  # no answer is worse than a refusal
                    refused.append(1)
                waits.append(time.perf_counter() - began)
                memory.append(server.memory_info().rss)

    found: dict[str, Any] = {}
    watcher, began = Thread(target=watch), time.perf_counter()
    watcher.start()
    try:
        yield found
    finally:
        over.set()
        watcher.join()
    found["seconds"] = round(time.perf_counter() - began, 1)
    found["an answer, ms"] = _spread(waits)
    found["refused"] = sum(refused)
    found["server's memory, MiB"] = {"first": memory[0] >> 20, "most": max(memory) >> 20}


def _listening(port: int | None) -> psutil.Process:
    found = next(one for one in psutil.net_connections() if one.laddr and one.laddr.port == port)
    return psutil.Process(found.pid)


def _spread(seconds: list[float]) -> dict[str, float]:
    parts = quantiles(seconds, n=100)
    found = {"median": median(seconds), "99 %": parts[98], "most": max(seconds)}
    return {name: round(1000 * value, 1) for name, value in found.items()} | {"n": len(seconds)}


def _recorded() -> int:
    from flows.settings import open_lineage

    done = text("SELECT count(*) FROM run WHERE status = 'completed'")
    with open_lineage() as lineage, lineage.database.reading() as connection:
        return int(connection.scalar(done))


async def _kept() -> int:
    """Return of how many jobs the server knows the end, when it has written what it was told."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.objects import StateType

    done = {"task_runs": {"state": {"type": {"any_": [StateType.COMPLETED]}}}}
    before, kept = -1, 0
    async with get_client() as client:
        while kept > before:
            await asyncio.sleep(STILL)
            answer = await client.request("POST", "/task_runs/count", json=done)
            before, kept = kept, answer.json()
    return kept


async def _queue(jobs: int) -> dict[str, Any]:
    """Let `jobs` runs of a deployment wait; return how long a worker needs to see the next."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.exceptions import PrefectHTTPStatusError

    async with get_client() as client:
        await client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
        flow = await client.create_flow_from_name("waits")
        deployment = await client.create_deployment(flow, "waits", work_pool_name=POOL)
        free = asyncio.Semaphore(AT_ONCE)

        async def order(at: int) -> int:
            refused = 0
            async with free:
                while True:
                    try:
                        await client.create_flow_run_from_deployment(
                            deployment, idempotency_key=str(at)
                        )
                        return refused
                    except PrefectHTTPStatusError as error:  # its client has tried for a minute
                        if error.response.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                            raise
                        refused += 1

        refused = sum(await asyncio.gather(*(order(at) for at in range(jobs))))
        looks, seen = [], 0
        for _ in range(20):
            began = time.perf_counter()
            seen = len(await client.get_scheduled_flow_runs_for_work_pool(POOL))
            looks.append(time.perf_counter() - began)
        look = {"a look at the queue, ms": _spread(looks), "runs that it is shown": seen}
        return {"orders that were refused": refused, **look}


if __name__ == "__main__":
    main()
