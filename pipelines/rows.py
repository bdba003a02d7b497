"""From a request, and from what its run made, to rows."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, select, update

from pipelines import outbox, registration
from pipelines.columns import now
from pipelines.contents import artifacts
from pipelines.dataset_rows import add_datasets
from pipelines.edges import EDGE_OF, edges
from pipelines.insertion import add, add_once, amend, together
from pipelines.lookup import prompt_sha
from pipelines.outbox import Sink, What
from pipelines.reader import Reader
from pipelines.recording import Recording, ScoreInfo
from pipelines.records import ReadRole, Request
from pipelines.tables import backbones, prompts, run_datasets, run_prompts, runs, scores

ANCESTORS = ("teacher", "source", "front")
"""What a prompt may be to the run that makes another one of it."""


def close(
    connection: Connection, which: ColumnElement[bool], status: str, error: str, **others: Any
) -> list[str]:
    """End the running runs among `which`, without a result; return their ids."""
    running = update(runs).where(which, runs.c.status == "running")
    ended = running.values(status=status, ended_at=now(), error=error, **others)
    return list(connection.scalars(ended.returning(runs.c.id)))


def attempts(connection: Connection, request_sha: str) -> Sequence[tuple[int, str]]:
    """Return the number and the status of each attempt at a request."""
    same = "SELECT attempt, status FROM run WHERE request_sha = :request_sha"
    reader = Reader(connection.connection, connection.dialect.name)
    return reader.ask(same, request_sha=request_sha).rows


def is_running(connection: Connection, run: Recording) -> bool:
    """Say whether a run has not ended."""
    status = select(runs.c.status).where(runs.c.id == run.id)
    return connection.scalar(status) == "running"


def complete(
    connection: Connection, request: Request, run: Recording, sinks: Iterable[Sink]
) -> None:
    """Write all that a run made, and then end it: after that the database refuses more."""
    known = {one.sha for infos in request.datasets.values() for one in infos}
    new = [one.dataset for one in run.scores if one.dataset.sha not in known]
    with together(connection):
        add_datasets(connection, new)
        add_once(connection, artifacts, _kept(run))
        add_prompt(connection, request, run)
        add_once(connection, edges, _edges(run))
        add(connection, scores, [_score(one, request, run) for one in run.scores])
        outbox.ask_all(connection, [*_to_tell(run), *((one, "end", run.id) for one in sinks)])
        amend(connection, runs, run.id, _ended(run))


def find_reads(connection: Connection, request: Request) -> tuple[tuple[ReadRole, str], ...]:
    """Return role and digest of each prompt that a request reads.

    Raises:
        UnknownId: lineage does not know one of them.
    """
    given = [(role, sha) for role, shas in request.reads.items() for sha in shas]
    whole = _known(connection, [sha for _, sha in given])
    return tuple(
        (role, sha if sha in whole else prompt_sha(connection, sha)) for role, sha in given
    )


def _known(connection: Connection, shas: Sequence[str]) -> set[str]:
    """Return those of some digests that prompts have."""
    if not shas:
        return set()
    binds = {f"sha{at}": sha for at, sha in enumerate(shas)}
    asked = f"SELECT sha FROM prompt WHERE sha IN ({', '.join(f':{name}' for name in binds)})"
    reader = Reader(connection.connection, connection.dialect.name)
    return {sha for (sha,) in reader.ask(asked, **binds).rows}


def add_request(connection: Connection, request: Request, run: Recording) -> None:
    """Write a run that begins, and all that it will read."""
    if request.backbone:
        add_once(connection, backbones, [vars(request.backbone)])
    begun = {
        "id": run.id,
        "stage": request.stage,
        "status": "running",
        "request_sha": request.sha,
        "attempt": run.attempt,
        "spec": dict(request.spec),
        "seed": request.seed,
        "task": request.task,
        "backbone_sha": request.backbone and request.backbone.sha,
        "environment": vars(request.environment),
        "started_at": now(),
        "heartbeat_at": now(),
        "seconds": 0.0,
        "max_steps": request.spec.get("steps"),
        "batch_size": request.spec.get("batch_size"),
    }
    add(connection, runs, [begun])
    given = [(split, one) for split, infos in request.datasets.items() for one in infos]
    add_datasets(connection, [one for _, one in given])
    data = [{"run_id": run.id, "dataset_sha": one.sha, "role": split} for split, one in given]
    add(connection, run_datasets, data)
    read = [{"run_id": run.id, "prompt_sha": sha, "role": role} for role, sha in run.reads]
    add(connection, run_prompts, read)


def _ended(run: Recording) -> dict[str, Any]:
    """Return what is known of a run when it has completed."""
    return {
        "status": "completed",
        "ended_at": now(),
        "truncated": run.truncated,
        "warnings": run.warnings,
        "curve": [list(point) for point in run.curve],
        "losses_sha": run.losses_sha,
        "trained": run.trained,
        "seconds": run.seconds,
        "steps": run.steps,
        "resumed_sha": run.resumed_sha,
    }


def _kept(run: Recording) -> list[dict[str, str]]:
    """Return the artifacts of a run: what it made, and what it was scored by."""
    named: list[tuple[str | None, str]] = [(run.prompt.sha if run.prompt else None, "prompt")]
    for one in run.scores:
        named += [(one.references_sha, "references"), (one.predictions_sha, "predictions")]
    named += [(run.adapter_sha, "adapter"), (run.losses_sha, "losses")]
    named += [(run.resumed_sha, "checkpoint")]
    return [{"sha": sha, "kind": kind} for sha, kind in named if sha]


def add_prompt(connection: Connection, request: Request, run: Recording) -> None:
    """Write the prompt that the run made, if it made one."""
    if run.prompt is None:
        return
    if request.backbone is None:
        raise ValueError(f"run {run.id[:12]} made a prompt, but its request names no backbone")
    of = {"task": request.task, "backbone_sha": request.backbone.sha}
    add_once(connection, prompts, [{**vars(run.prompt), "tasks": list(run.prompt.tasks), **of}])
    add(connection, run_prompts, [{"run_id": run.id, "prompt_sha": run.prompt.sha, "role": "made"}])
    registration.reserve(connection, run, request.task, request.backbone)


def _edges(run: Recording) -> list[dict[str, str]]:
    """Return what came of which prompt: the one that was made, an adapter, predictions."""
    made = run.prompt.sha if run.prompt else None
    came = [(made, role, parent) for role, parent in run.reads if role in ANCESTORS]
    came += [(run.adapter_sha, role, parent) for role, parent in run.reads if role == "exported"]
    answers = (one.predictions_sha for one in run.scores if one.method == "prompt")
    came += [(sha, "evaluated", scored) for sha in answers if (scored := _scored(run))]
    return [
        {"child_sha": child, "parent_sha": parent, "role": EDGE_OF[role], "run_id": run.id}
        for child, role, parent in came
        if child
    ]


def _to_tell(run: Recording) -> list[tuple[Sink, What, str]]:
    """Return who must hear of what a run made, or of a prompt that has a new score."""
    told: list[tuple[Sink, What, str]] = [("registry", "prompt", sha) for sha in _evaluated(run)]
    if run.prompt:
        told += [("registry", "prompt", run.prompt.sha), ("gate", "prompt", run.prompt.sha)]
    return told


def _scored(run: Recording) -> str | None:
    """Return the prompt that a run's scores are of: the one it made, or else evaluated."""
    return run.prompt.sha if run.prompt else next(iter(_evaluated(run)), None)


def _evaluated(run: Recording) -> list[str]:
    return [sha for role, sha in run.reads if role == "evaluated"]


def _score(score: ScoreInfo, request: Request, run: Recording) -> dict[str, Any]:
    return {
        "run_id": run.id,
        "task": request.task,
        "prompt_sha": _scored(run) if score.method == "prompt" else None,
        "dataset_sha": score.dataset.sha,
        "split": score.dataset.split,
        "method": score.method,
        "metric": score.metric,
        "value": score.value,
        "n": score.n,
        "is_primary": score.is_primary,
        "predictions_sha": score.predictions_sha,
        "references_sha": score.references_sha,
        "low": score.interval and score.interval[0],
        "high": score.interval and score.interval[1],
    }
