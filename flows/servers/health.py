"""Whether the servers answer."""

import json
import time
from base64 import b64encode
from collections.abc import Callable
from datetime import datetime
from http.client import HTTPException
from urllib.request import ProxyHandler, Request, build_opener

from flows.servers.children import Child, ProgramEnds
from flows.servers.plan import POOL, Site

LONGEST = 180.0  # seconds; a slow disk may make three sets of tables
POLL = 0.1  # seconds
PATIENCE = 10.0  # seconds that a server has to answer; one that is down refuses at once


class NotHealthy(Exception):
    """A program does not come up."""

    def __init__(self, child: Child) -> None:
        super().__init__(
            f"{child.program.name} does not answer after {LONGEST:.0f} s (its last words: "
            f"{child.last_words()!r}): all is stopped; {child.log} has the rest"
        )


def wait_for(child: Child, healthy: Callable[[], bool]) -> None:
    """Wait until a program that was just started is healthy.

    Raises:
        ProgramEnds: it ended instead.
        NotHealthy: it takes too long.
    """
    deadline = time.monotonic() + LONGEST
    while not healthy():
        if child.status is not None:
            raise ProgramEnds(child, child.status, "as it started")
        if time.monotonic() > deadline:
            raise NotHealthy(child)
        time.sleep(POLL)


def answers(url: str, word: bytes = b"") -> bool:
    """Say whether a server answers, with 200, and with nothing but `word` if that is given."""
    try:
        told = ask(Request(url))
    except ValueError:  # it is no URL
        return False
    return told is not None and word in {b"", told}


def has_pool(site: Site) -> bool:
    """Say whether Prefect's server has our work pool."""
    return ask(_with_login(site, "")) is not None


def has_worker(site: Site, since: datetime) -> bool:
    """Say whether Prefect's server has heard of our worker since it was started."""
    told = ask(_with_login(site, "/workers/filter", b"{}"))
    heard = [one["last_heartbeat_time"] for one in json.loads(told or b"[]")]
    return any(one and datetime.fromisoformat(one) > since for one in heard)


def _with_login(site: Site, path: str, body: bytes | None = None) -> Request:
    login = b64encode(site.keys.prefect.encode()).decode()
    heads = {"Authorization": f"Basic {login}", "Content-Type": "application/json"}
    return Request(f"{site.prefect}/api/work_pools/{POOL}{path}", data=body, headers=heads)


def ask(request: Request) -> bytes | None:
    """Return what a server says; None where it does not answer, or with no success."""
    # A proxy that the environment names has nothing to do with this machine's own servers.
    try:
        with build_opener(ProxyHandler({})).open(request, timeout=PATIENCE) as response:
            told: bytes = response.read()
            return told
    except (OSError, HTTPException):  # refused, too late, no success, or no HTTP at all
        return None
