"""From the file of a user's own task to a task like any other."""

from pathlib import Path

from tasks.own.definition import Definition
from tasks.own.metrics import METRICS
from tasks.own.reading import reader
from tasks.splits import Splits
from tasks.task import Files, Hub, Task


def load(path: Path) -> Task:
    """Return the task that a YAML file defines; its rows are not looked at.

    Raises:
        BadDefinition: it is not there, not YAML, or a value in it is wrong.
    """
    return make(Definition.load(path), path.parent)


def make(definition: Definition, folder: Path) -> Task:
    """Return the task of `definition`, whose files are in `folder`."""
    metric = METRICS[definition.kind][definition.metric]
    return Task(
        name=definition.name,
        benchmark="own",
        family=definition.kind,
        source=_source(definition, folder),
        read=reader(definition),
        columns=definition.columns,
        labels=definition.words,
        metrics={definition.metric: metric(definition.words)},
        splits=Splits("train", "validation", "test", share=definition.held_out),
        max_input=definition.max_input,
        max_answer=definition.max_answer,
        definition=definition.to_json(),
        identity=definition.identity,
    )


def _source(definition: Definition, folder: Path) -> Files | Hub:
    if definition.hub:
        return Hub(definition.hub.path, definition.hub.subset, definition.hub.revision)
    assert definition.files is not None, "one of the two is there"
    return Files(folder, definition.files.given, definition.encoding, definition.delimiter)
