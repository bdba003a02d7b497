"""Prompts as a person names them: by digest, or by task and place in the registry."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy import select

from pipelines import registration
from pipelines.lookup import find_prompt
from pipelines.tables import backbones

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from pipelines.lineage import Lineage
    from pipelines.registration import Candidate

WAYS = "the first 6 digits of its digest, TASK@champion, or TASK@VERSION"


class NotNamed(LookupError):
    """No prompt is named so, or more than one is."""

    names_a_prompt = True

    def __init__(self, named: str, problem: str) -> None:
        super().__init__(f"{named!r} {problem}: give {WAYS}")


def candidates_of(named: Sequence[str], lineage: "Lineage") -> list[list["Candidate"]]:
    """Return the prompts that are named, once each; a prompt is one for each task it was made for.

    Args:
        named: for each, a digest or its first digits, TASK@champion, or TASK@VERSION.
        lineage: where to look.

    Raises:
        NotNamed: nothing is named so, or several prompts are.
        UnknownId: no prompt has this digest, or several have.
        BadDefinition: a task is given by a file that is not there, or wrong.
    """
    found: dict[str, dict[str, Candidate]] = {}
    with lineage.database.reading() as connection:
        for one in named:
            for candidate in _named(connection, one):
                found.setdefault(candidate.prompt_sha, {})[candidate.task] = candidate
    return [list(tasks.values()) for tasks in found.values()]


def _named(connection: "Connection", named: str) -> list["Candidate"]:
    given, at, which = named.rpartition("@")
    if not at:
        if not re.fullmatch("[0-9a-f]+", named):
            raise NotNamed(named, "is no prompt")
        return registration.candidates(connection, find_prompt(connection, named).sha)
    if which != "champion" and not re.fullmatch("[0-9]{1,5}", which):
        raise NotNamed(named, f"names no version: {which!r} is neither champion nor a number")
    task, version = _task_name(given), None if which == "champion" else int(which)
    shas = [
        sha
        for backbone in connection.scalars(select(backbones.c.sha).order_by(backbones.c.sha))
        if (sha := registration.registered(connection, task, backbone, version))
    ]
    if not shas:
        raise NotNamed(named, "is not in the registry")
    if len(shas) > 1:
        several = ", ".join(sha[:12] for sha in shas)
        raise NotNamed(named, f"names a prompt on each of {len(shas)} backbones ({several})")
    return [one for one in registration.candidates(connection, shas[0]) if one.task == task]


def _task_name(given: str) -> str:
    if re.fullmatch("[a-z0-9_-]+", given):
        return given
    import tasks

    return tasks.find(given).name
