"""Events for the Prefect server: each only says that something may be due; SQL says what.

An event may be lost, or come twice. Nothing depends on one: the clock asks the same question.
"""

import os
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Literal

from flows.servers.api import post
from pipelines.records import MULTITASK

CHANGED = "prompt-transfer.changed"
What = Literal["champion", "task-files"]


def tell_champions(models: Iterable[str]) -> None:
    """Tell the server if a source prompt is among the models that have a new champion."""
    if any(name.endswith(f".{MULTITASK}") for name in models):
        tell_changed("champion")


def tell_changed(what: What, server: Mapping[str, str] = os.environ) -> None:
    """Tell the Prefect server that `server` names, if it does; nothing is raised."""
    if not server.get("PREFECT_API_URL"):
        return
    event = {
        "id": str(uuid.uuid4()),
        "event": CHANGED,
        "occurred": datetime.now(UTC).isoformat(),
        "resource": {"prefect.resource.id": f"prompt-transfer.{what}"},
    }
    post(server, "/events", [event])
