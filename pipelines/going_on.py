"""What to do about a run that has failed: the command that goes on, where it can be told."""

import json
import shlex
from collections.abc import Mapping
from typing import Any

from pipelines.records import GROUP
from pipelines.statements import Answer

AGAIN = "the command that it was part of, again"
NO_FLAG = {"task", "tasks", "method", "draw", "definitions", "adapter"}
"""Keys of a recipe that no flag has the name of."""


def with_next_steps(failures: Answer) -> Answer:
    """Add next: a command line, or what to do in words; None where nothing is left to do."""
    return failures.extended(("next",), [(next_step(run),) for run in failures.records()])


def next_step(run: Mapping[str, Any]) -> str | None:
    """Return what to do about one row of `sql/failures.sql`.

    What is done is found, and a checkpoint is gone on from, so the command is the one that began
    it; every value of the recipe stands in it, the defaults too.
    """
    if run["later"] == "completed":
        return None
    if run["later"] == "running":
        return f"wait for run {run['later_id'][:12]}"
    spec = json.loads(run["spec"])
    words = _words(run, spec)
    if words is None:
        return AGAIN
    line = shlex.join(["prompt-transfer", *words])
    own = [one["name"] for one in spec.get("definitions", ())]
    return f"{line}  # {', '.join(own)}: give the YAML file of it" if own else line


def _words(run: Mapping[str, Any], spec: Mapping[str, Any]) -> list[str] | None:
    match run["stage"]:
        case "learn":
            return ["learn", "SPEC"]
        case "export":
            return ["export", str(run["source_sha"]), "--to", "FOLDER"]
        case "import":
            named = [word for task in spec["tasks"] for word in ("--task", task)]
            return ["import", "FOLDER", *named, *_flags(spec, "seed")]
        case "baseline":
            return ["baseline", spec["task"], "--method", spec["method"], *_flags(spec)]
        case "adapt" if "steps" in spec and not spec.get("draw"):
            named = [*spec["tasks"], "--together"] if run["task"] == GROUP else [spec["task"]]
            return ["adapt", *named, "--from", str(run["source_sha"]), *_flags(spec)]
    return None  # one of several jobs, or a part of a group's


def _flags(spec: Mapping[str, Any], *but: str) -> list[str]:
    words: list[str] = []
    for name, value in spec.items():
        if name not in NO_FLAG.union(but) and value is not None and value is not False:
            flag = f"--{name.replace('_', '-')}"
            words += [flag] if value is True else [flag, str(value)]
    return words
