"""A spec's file: YAML, read safely, in which no key may be given twice."""

from pathlib import Path
from typing import Any

import yaml


class BadSpec(ValueError):
    """A spec file cannot be read, or says something that makes no sense."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}")


class _Loader(yaml.SafeLoader):
    """Safe, and strict: PyYAML lets the last of equal keys win, and does not say so."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        if twice := sorted({str(key) for key in keys if keys.count(key) > 1}):
            raise yaml.constructor.ConstructorError(
                None, None, f"{', '.join(twice)} is given twice: leave one out", node.start_mark
            )
        return super().construct_mapping(node, deep)


def read(path: Path) -> dict[Any, Any]:
    """Return the keys and values of a YAML file.

    Raises:
        BadSpec: it is not there, not YAML, or holds something else; the message says which.
    """
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except OSError as error:
        raise BadSpec(path, f"it cannot be read ({error.strerror}): give a YAML file") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadSpec(path, f"it is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise BadSpec(path, "it must hold keys and values, as in pipelines/specs/demo.yaml")
    return values
