"""A spec's file: YAML, read safely, in which no key may be given twice."""

from pathlib import Path
from typing import Any

import yaml

from tasks.own.yaml_file import OnceEach


class BadSpec(ValueError):
    """A spec file cannot be read, or says something that makes no sense."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}")


class _Loader(OnceEach, yaml.SafeLoader):
    """Safe, and strict."""


def read(path: Path) -> dict[Any, Any]:
    """Return the keys and values of a YAML file.

    Raises:
        BadSpec: it is not there, not YAML, or holds something else; the message says which.
    """
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except OSError as error:
        raise BadSpec(path, f"it cannot be read ({error.strerror}): give a YAML file") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # PyYAML lets 2021-13-45 escape
        raise BadSpec(path, f"it is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise BadSpec(path, "it must hold keys and values, as in pipelines/specs/demo.yaml")
    return values
