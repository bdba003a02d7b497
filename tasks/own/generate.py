"""A generated task of any size, from any seed, as a task of one's own: rows and their YAML file."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from tasks import registry
from tasks.own.propose import called, written
from tasks.own.yaml_file import BadDefinition
from tasks.rows import Template
from tasks.task import Generated


class NotGenerated(ValueError):
    """A task's rows are published ones: there are no others."""

    def __init__(self, name: str) -> None:
        made = [one.name for one in registry.all_tasks() if isinstance(one.source, Generated)]
        super().__init__(f"the rows of {name!r} are not generated: give one of {', '.join(made)}")


def generate(name: str, seed: int, sizes: Mapping[str, int], to: Path) -> dict[Path, str]:
    """Return the text of a YAML file `to`, and of a file of rows beside it for each split.

    The same arguments give the same bytes on any machine; nothing is written.

    Args:
        name: of a task that the project generates, or of its variant with numbers.
        seed: of the rows.
        sizes: rows of train, validation and test.
        to: where the text is to stand; the task is called like it.

    Raises:
        UnknownTask: there is no such task.
        NotGenerated: it is a published one.
        GrammarEnds: it has not so many rows.
        BadDefinition: `to` is no YAML file.
    """
    task = registry.get(name)
    if not isinstance(task.source, Generated) or not isinstance(task.read, Template):
        raise NotGenerated(name)
    if to.suffix not in {".yaml", ".yml"}:
        raise BadDefinition(to, "the name of a task's file must end in .yaml")
    source = replace(task.source, seed=seed, sizes=sizes)
    files = {split: to.with_name(f"{to.stem}.{split}.jsonl") for split in sizes}
    rows = {split: [json.dumps(row) + "\n" for row in source.rows(split)] for split in sizes}
    values = {
        "name": called(to.stem),
        "files": {split: file.name for split, file in files.items()},
        "template": task.read.form,
        "answer": "label",
        "labels": {str(number): word for number, word in enumerate(task.labels)},
        "metric": next(iter(task.metrics)),
        "max_input": task.max_input,
    }
    head = f"# Rows of {name}, generated from seed {seed}.\n"
    return {file: "".join(rows[split]) for split, file in files.items()} | {
        to: written(head, to, values)
    }
