"""What a flow run on a server leaves for whoever waits for it: ids, or why it failed, as JSON.

An artifact of the run, and not Prefect's own result: that would be pickled.
"""

import json
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

from prefect.artifacts import Artifact
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId
from prefect.client.schemas.sorting import ArtifactSort
from prefect.runtime import deployment
from pydantic import BaseModel

from flows.errors import FAILED, exit_status

Asked = ParamSpec("Asked")
Made = TypeVar("Made", bound=BaseModel)
KIND = "outcome"


def left_behind(flow: Callable[Asked, Made]) -> Callable[Asked, Made]:
    """Have the function of a flow leave behind its outcome, where a deployment started it."""

    @wraps(flow)
    def leaving(*args: Asked.args, **kwargs: Asked.kwargs) -> Made:
        try:
            made = flow(*args, **kwargs)
        except Exception as error:
            _leave({"error": " ".join(str(error).split()), "status": exit_status(error) or FAILED})
            raise
        _leave({"made": made.model_dump(mode="json")})
        return made

    return leaving


def _leave(data: dict[str, Any]) -> None:
    if deployment.id:
        Artifact(type=KIND, description="ids of runs in lineage", data=data).create()


def outcome_of(client: SyncPrefectClient, run: UUID) -> dict[str, Any] | None:
    """Return what a flow run left behind last: it may have been tried before."""
    found = client.read_artifacts(
        artifact_filter=ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run])),
        sort=ArtifactSort.CREATED_DESC,
    )
    told = next((one.data for one in found if one.type == KIND), None)
    return json.loads(told) if isinstance(told, str) else None
