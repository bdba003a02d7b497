"""The file of a user's own task: YAML in which every value is the text that stands there."""

from pathlib import Path
from typing import Any

import yaml

from tasks.own.files import printable

LARGEST = 2**20  # bytes: far more than any task has to say


class BadDefinition(ValueError):
    """The file of a user's own task cannot be read, or says something that makes no sense."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(printable(f"{path}: {problem}"))


class OnceEach:
    """For a loader: PyYAML lets the last of equal keys win, and does not say so."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return the keys and values of a mapping, in which no key may be given twice."""
        keys = [key.value for key, _ in node.value]
        if twice := sorted({str(key) for key in keys if keys.count(key) > 1}):
            raise yaml.constructor.ConstructorError(
                None, None, f"{', '.join(twice)} is given twice: leave one out", node.start_mark
            )
        found: dict[Any, Any] = super().construct_mapping(node, deep)  # type: ignore[misc]
        return found


class _Loader(OnceEach, yaml.BaseLoader):
    """As texts, `no` is not False, `1.0` not 1 and `null` not nothing: labels are like that."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):  # ten lines of them can stand for a billion words
            raise yaml.YAMLError("an alias (*name) has no place here: write the value out")
        return super().compose_node(parent, index)


def read(path: Path) -> dict[Any, Any]:
    """Return the keys and values of a task's file, all of them texts.

    Raises:
        BadDefinition: it is not there, not YAML, or holds something else.
    """
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise BadDefinition(path, f"it is larger than {LARGEST:,} bytes: is it the rows?")
        return parse(path, data.decode("utf-8-sig"))
    except OSError as error:
        hint = "`prompt-transfer tasks new FILE.csv --to FILE.yaml` writes one"
        raise BadDefinition(path, f"it cannot be read ({error.strerror}): {hint}") from None
    except UnicodeDecodeError as error:
        raise BadDefinition(path, f"it is not UTF-8 ({error}): write it as UTF-8") from None
    except ValueError as error:  # of its name: a half character, or the end of a string in C
        if isinstance(error, BadDefinition):
            raise
        raise BadDefinition(path, f"no file can be called so ({error})") from None


def parse(path: Path, text: str) -> dict[Any, Any]:
    """Return the keys and values of a text that stands in the file `path`, or is to.

    Raises:
        BadDefinition: it is not YAML, or holds something else.
    """
    try:
        values = yaml.load(text, _Loader)
    except (yaml.YAMLError, RecursionError) as error:
        raise BadDefinition(path, f"it is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise BadDefinition(path, "it must hold keys and values, as `tasks new` writes them")
    return values
