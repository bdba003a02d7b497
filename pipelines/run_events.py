"""Runs as events of OpenLineage, made from lineage as they are sent: the same run, the same bytes.

A run is START, then COMPLETE, FAIL, or ABORT if its process was killed. It reads datasets and
prompts; what it makes is a prompt. https://openlineage.io/spec/2-0-2/OpenLineage.json
"""

from functools import cache
from importlib.metadata import version
from typing import Any
from uuid import UUID

import attr
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import (
    DatasetFacet,
    RunFacet,
    dataset_version_dataset,
    error_message_run,
    input_statistics_input_dataset,
    parent_run,
)
from sqlalchemy import Connection, Row, select

from pipelines.columns import now
from pipelines.lookup import find_prompt, find_run, prompt_record, run_record
from pipelines.outbox import What
from pipelines.records import GROUP, PromptRecord, RunRecord
from pipelines.registration import model_name
from pipelines.tables import datasets, run_datasets, run_prompts

NAMESPACE = "prompt-transfer"
ENDED = {
    "completed": RunState.COMPLETE,
    "failed": RunState.FAIL,
    "abandoned": RunState.ABORT,
}


@attr.define
class PromptFacet(DatasetFacet):
    """A soft prompt: `rank` is that of its task vectors, and null where it has none."""

    digest: str = attr.field(kw_only=True)
    tokens: int = attr.field(kw_only=True)
    rank: int | None = attr.field(kw_only=True)
    kind: str = attr.field(kw_only=True)

    @staticmethod
    def _get_schema() -> str:
        return "urn:prompt-transfer:facet:prompt:1"


@attr.define
class RequestFacet(RunFacet):
    """What was asked: equal hashes ask for the same result."""

    specHash: str = attr.field(kw_only=True)
    attempt: int = attr.field(kw_only=True)

    @staticmethod
    def _get_schema() -> str:
        return "urn:prompt-transfer:facet:request:1"


def event(connection: Connection, run_id: str, what: What) -> RunEvent:
    """Return the event that a run has begun, or has ended.

    Raises:
        UnknownId: lineage does not know the run.
    """
    run = run_record(connection, find_run(connection, run_id))
    began = what == "start"
    made = [] if began or run.prompt is None else [_prompt(connection, run.prompt)]
    return RunEvent(
        eventType=RunState.START if began else ENDED[run.status],
        eventTime=(run.started_at if began else run.ended_at or now()).isoformat(),
        run=Run(_uuid(run.id), _run_facets(connection, run, began)),
        job=_job(run),
        inputs=[*_datasets(connection, run), *_prompts_read(connection, run)],
        outputs=[
            OutputDataset(NAMESPACE, _name(one, run.task), facets=_prompt_facets(one))
            for one in made
        ],
        producer=_producer(),
    )


def _run_facets(connection: Connection, run: RunRecord, began: bool) -> dict[str, Any]:
    by = _producer()
    asked = RequestFacet(specHash=run.request_sha, attempt=run.attempt, producer=by)
    facets: dict[str, Any] = {"promptTransfer_request": asked}
    if parent := _parent(connection, run):
        facets["parent"] = parent_run.ParentRunFacet(
            run=parent_run.Run(_uuid(parent.id)),
            job=parent_run.Job(NAMESPACE, _job(parent).name),
            producer=by,
        )
    if run.error and not began:
        facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(
            message=run.error, programmingLanguage="python", producer=by
        )
    return facets


def _parent(connection: Connection, run: RunRecord) -> RunRecord | None:
    """Return the run of the group of which this one took one task's prompt."""
    sources = [sha for role, sha in run.reads if role == "source"]
    if run.task == GROUP or not sources or _prompt(connection, sources[0]).task != GROUP:
        return None
    made = select(run_prompts.c.run_id).filter_by(prompt_sha=sources[0], role="made")
    first = connection.scalars(made.order_by(run_prompts.c.run_id)).first()
    return first and run_record(connection, find_run(connection, first))


def _datasets(connection: Connection, run: RunRecord) -> list[InputDataset]:
    read = (
        select(datasets)
        .join(run_datasets, run_datasets.c.dataset_sha == datasets.c.sha)
        .where(run_datasets.c.run_id == run.id)
        .order_by(datasets.c.task, datasets.c.split, datasets.c.sha)
        .distinct()
    )
    return [_dataset(row) for row in connection.execute(read)]


def _dataset(row: Row[Any]) -> InputDataset:
    by = _producer()
    size = input_statistics_input_dataset.InputStatisticsInputDatasetFacet(
        rowCount=row.num_rows, producer=by
    )
    return InputDataset(
        row.origin,
        f"{row.task}/{row.split}",
        facets={"version": _version(row.sha)},
        inputFacets={"inputStatistics": size},
    )


def _prompts_read(connection: Connection, run: RunRecord) -> list[InputDataset]:
    read = [_prompt(connection, sha) for sha in dict.fromkeys(sha for _, sha in run.reads)]
    return [
        InputDataset(NAMESPACE, _name(one, one.task), facets=_prompt_facets(one)) for one in read
    ]


def _prompt(connection: Connection, sha: str) -> PromptRecord:
    return prompt_record(connection, find_prompt(connection, sha))


def _prompt_facets(prompt: PromptRecord) -> dict[str, Any]:
    facet = PromptFacet(
        digest=prompt.sha, tokens=prompt.num_tokens, rank=prompt.rank, kind=prompt.kind,
        producer=_producer(),
    )  # fmt: skip
    return {"version": _version(prompt.sha), "promptTransfer_prompt": facet}


def _version(sha: str) -> DatasetFacet:
    return dataset_version_dataset.DatasetVersionDatasetFacet(sha, producer=_producer())


def _name(prompt: PromptRecord, task: str) -> str:
    """Return what a prompt is called: as in the model registry, where its versions are too."""
    return model_name(prompt.backbone, task)


def _job(run: RunRecord) -> Job:
    return Job(NAMESPACE, f"{run.stage}.{run.task}")


def _uuid(run_id: str) -> str:
    return str(UUID(run_id))


@cache
def _producer() -> str:
    return f"urn:prompt-transfer:{version('prompt-transfer')}"
