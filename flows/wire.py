"""What a job's process and its supervisor tell each other: JSON, a line each.

The supervisor writes one `Asked`; the job then tells of its trainings, and at its end of each of
its specs, by a run id or an error. An error keeps its class and its line.
"""

import importlib
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from flows.errors import OURS

ALSO = ("builtins", "sqlalchemy", "torch")  # other modules whose errors are told by their class


class JobFailed(Exception):
    """A job failed of an error whose class is not ours."""


class Asked(NamedTuple):
    """What a job's process is given."""

    job: dict[str, Any]
    log: str
    fraction: float
    """The part of a GPU that it may use."""
    seconds: int
    environment: dict[str, str]

    def line(self) -> bytes:
        """Return it as a line."""
        return json.dumps(self._asdict()).encode() + b"\n"


def answers(found: Sequence[str | Exception]) -> dict[str, Any]:
    """Return what a job tells at its end."""
    return {"answers": [_told(one) for one in found]}


def _told(one: str | Exception) -> dict[str, Any]:
    if isinstance(one, str):
        return {"run": one}
    classes = [f"{kind.__module__}:{kind.__qualname__}" for kind in type(one).__mro__]
    return {"error": str(one), "classes": classes}


def found(told: dict[str, Any]) -> list[str | Exception]:
    """Return what a job ended with."""
    return [one["run"] if "run" in one else _error(**one) for one in told["answers"]]


def _error(error: str, classes: Sequence[str]) -> Exception:
    for name in classes:
        module, _, qualified = name.partition(":")
        if module.partition(".")[0] in {*OURS, *ALSO} and qualified != "Exception":
            kind = getattr(importlib.import_module(module), qualified, None)
            if isinstance(kind, type) and issubclass(kind, Exception):
                return _revived(kind, error)
    return JobFailed(f"{classes[0].replace(':', '.')}: {error}")


def _revived(kind: type[Exception], line: str) -> Exception:
    """Return an error of this class that says `line`; how such errors are made does not matter."""
    said = {"__module__": kind.__module__, "__init__": _say, "__str__": lambda error: error.args[0]}
    same: type[Exception] = type(kind.__name__, (kind,), said)
    return same(line)


def _say(error: Exception, line: str) -> None:
    Exception.__init__(error, line)
