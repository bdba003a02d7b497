"""What the commands about champions do."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from flows.columns import aligned
from flows.events import tell_champions
from flows.publishing import send_events
from flows.settings import open_lineage, open_registry

if TYPE_CHECKING:
    from pipelines.lineage import Lineage
    from pipelines.registration import Candidate
    from pipelines.registry import Registry
    from pipelines.standing import Move


class SeveralTasks(ValueError):
    """A prompt was made for several tasks, or not for the one that is named."""

    def __init__(self, prompt: str, tasks: Sequence[str]) -> None:
        super().__init__(
            f"prompt {prompt[:12]} was made for {', '.join(tasks) or 'no task'}: name one of them "
            "with --task"
        )


class SeveralBackbones(ValueError):
    """A task has champions for several backbones."""

    def __init__(self, task: str, names: Sequence[str]) -> None:
        super().__init__(f"{task!r} has champions for {', '.join(names)}: name one with --backbone")


class NoChampion(LookupError):
    """A task has no champion."""

    names_a_prompt = True

    def __init__(self, task: str) -> None:
        super().__init__(
            f"{task!r} has no champion here: `prompt-transfer moves {task}` shows what was"
        )


def promote(given: str, task: str | None, reason: str | None) -> dict[str, Any]:
    """Make a prompt champion; tell MLflow of it, if it can be told."""
    from pipelines import promotion

    with open_registry() as registry:
        one = _candidate(registry.lineage, given, task)
        verdict = promotion.promote(
            one.prompt_sha, one.task, registry.lineage, registry.store, reason
        )
        tell_champions([one.model_name])
        unknown = _tell(registry)
    sure = "" if verdict.p is None else f", p = {verdict.p:.3f}"
    by = "" if verdict.gain is None else f" ({verdict.gain:+.2f} points{sure})"
    said = f"{one.prompt_sha[:12]} is champion of {one.model_name}{by}"
    return _answer(one, said, unknown) | {"gain": verdict.gain, "p": verdict.p}


def archive(given: str, task: str | None) -> dict[str, Any]:
    """Take a prompt out of the running."""
    from pipelines import promotion

    with open_registry() as registry:
        one = _candidate(registry.lineage, given, task)
        promotion.archive(one.prompt_sha, one.task, registry.lineage)
        unknown = _tell(registry)
    return _answer(one, f"{one.prompt_sha[:12]} of {one.model_name} is archived", unknown)


def restore(task: str, backbone: str | None, reason: str) -> dict[str, Any]:
    """Give a champion's place back to the one before it."""
    from pipelines import promotion, standing

    with open_registry() as registry:
        with registry.lineage.database.reading() as connection:
            names = standing.champions(connection, task, backbone)
        if len(names) != 1:
            raise SeveralBackbones(task, names) if names else NoChampion(task)
        sha = promotion.restore(names[0], registry.lineage, reason)
        tell_champions(names)
        one = _candidate(registry.lineage, sha, task)
        unknown = _tell(registry)
    return _answer(one, f"{sha[:12]} is champion of {names[0]} again", unknown)


def moves(task: str | None, limit: int) -> list["Move"]:
    """Return the newest moves, newest first."""
    from pipelines import standing

    with open_lineage() as lineage, lineage.database.reading() as connection:
        return standing.moves(connection, task, limit)


def publish() -> dict[str, Any]:
    """Judge what is new, and tell MLflow, and OpenLineage, what they were not told yet.

    Raises:
        RegistryDown: MLflow failed; what it was not told stays due.
    """
    from pipelines.promotion import review

    with open_registry() as registry:
        events = send_events(registry.lineage)
        judged = review(registry.lineage, registry.store)
        tell_champions(judged.told)
        published = registry.publish_pending()
    failed = judged.failed | published.failed | events.failed
    lines = [f"published: {name}" for name in published.told] or ["MLflow was told all before"]
    lines += [f"champion: {name}" for name in judged.told]
    lines += [f"events sent: {len(events.told)}"] * bool(events.told)
    lines += [f"failed, and still due: {sha[:12]}: {why}" for sha, why in failed.items()]
    told = {"published": published.told, "champions": judged.told, "events": events.told}
    return {**told, "failed": failed, "said": "\n".join(lines)}


def show_moves(found: Sequence["Move"]) -> None:
    """Print moves as a table."""
    head = ("when (UTC)", "move", "prompt", "version", "gain", "p", "before", "of", "reason")
    rows = [
        (
            f"{one.at:%Y-%m-%d %H:%M:%S}", one.move, one.prompt_sha[:12], str(one.version or "-"),
            "-" if one.gain is None else f"{one.gain:+.2f}",
            "-" if one.p is None else f"{one.p:.3f}",
            (one.other_sha or "-")[:12], one.model_name, one.reason or one.refused or "",
        )
        for one in found
    ]  # fmt: skip
    sys.stdout.write(aligned(head, rows) if rows else "nothing has moved yet\n")


def _candidate(lineage: "Lineage", given: str, task: str | None) -> "Candidate":
    from pipelines import registration

    sha = lineage.get_prompt(given).sha
    with lineage.database.reading() as connection:
        found = registration.candidates(connection, sha)
    wanted = [one for one in found if task in (None, one.task)]
    if len(wanted) != 1:
        raise SeveralTasks(sha, [one.task for one in found])
    return wanted[0]


def _tell(registry: "Registry") -> str:
    """Tell MLflow what is due; return why it could not be told, or nothing."""
    from pipelines.locks import Busy
    from pipelines.mlflow_server import RegistryDown

    try:
        return "; ".join(registry.publish_pending().failed.values())
    except (RegistryDown, Busy) as error:
        return str(error)


def _answer(one: "Candidate", said: str, unknown: str) -> dict[str, Any]:
    later = f"; MLflow will be told later: {unknown}" if unknown else ""
    return {"prompt": one.prompt_sha, "model": one.model_name, "task": one.task} | {
        "said": f"{said}{later}"
    }
