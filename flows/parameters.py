"""What a flow is called with, as JSON that means the same wherever it is read."""

from pathlib import Path
from typing import Any

from prefect.exceptions import ParameterBindError, ParameterTypeError, SignatureMismatchError
from pydantic import ValidationError

import tasks
from flows.catalogue import flow_named
from pipelines.spec import explain
from pipelines.spec_file import BadSpec, read
from tasks.find import is_file

TASKS = {"task", "tasks", "sources", "targets"}
"""Keys whose texts name tasks."""


def absolute(value: Any, key: str = "") -> Any:
    """Return JSON values in which no file or folder is named from where this process stands."""
    if isinstance(value, dict):
        return {name: absolute(one, name) for name, one in value.items()}
    if isinstance(value, list):
        return [absolute(one, key) for one in value]
    if isinstance(value, str) and (
        (key in TASKS and is_file(value)) or (key == "backbone" and Path(value).is_dir())
    ):
        return str(Path(value).resolve())
    return value


def from_file(flow: str, path: Path | None) -> dict[str, Any]:
    """Read what `flow` is called with; refuse what it would refuse.

    Args:
        flow: its name.
        path: a YAML file: a spec where the flow takes nothing else, else its parameters by name.

    Raises:
        UnknownFlow, UnknownTask: there is no such flow, or no such task.
        BadSpec: the file is not there, or holds something else.
    """
    called = flow_named(flow)
    values = read(path) if path else {}
    if list(called.parameters.properties) == ["spec"] and "spec" not in values:
        values = {"spec": values}
    given: dict[str, Any] = absolute(values)
    try:
        called.validate_parameters(given)
    except (ParameterTypeError, ParameterBindError, SignatureMismatchError, TypeError) as error:
        raise BadSpec(path or Path("-"), _line(error)) from None
    for name in _task_names(given):
        tasks.find(name)
    return given


def _line(error: Exception) -> str:
    cause = error.__cause__ or error.__context__
    return explain(cause) if isinstance(cause, ValidationError) else " ".join(str(error).split())


def _task_names(value: Any, key: str = "") -> list[str]:
    if isinstance(value, dict):
        return [name for at, one in value.items() for name in _task_names(one, at)]
    if isinstance(value, list):
        return [name for one in value for name in _task_names(one, key)]
    return [value] if isinstance(value, str) and key in TASKS else []
