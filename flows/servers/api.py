"""Prefect's API over plain HTTP: for programs that have no time to import its client."""

import json
from base64 import b64encode
from collections.abc import Mapping
from typing import Any
from urllib.request import Request

from flows.servers.health import ask


def post(server: Mapping[str, str], path: str, body: object) -> Any:
    """Return what the server says to a question; None where it has nothing to say, or is down.

    Args:
        server: an environment that names it, as Prefect's own client reads one.
        path: behind /api.
        body: as JSON.
    """
    login = b64encode(server.get("PREFECT_API_AUTH_STRING", "").encode()).decode()
    heads = {"Authorization": f"Basic {login}", "Content-Type": "application/json"}
    told = ask(Request(f"{server['PREFECT_API_URL']}{path}", json.dumps(body).encode(), heads))
    return json.loads(told) if told else None
