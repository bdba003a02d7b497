"""What a task is. Text in, text out: nothing here knows of tokens, prompts or torch."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from tasks.splits import Splits

__all__ = ["Example", "Files", "Generated", "Hub", "Metric", "Row", "Splits", "Task"]

Row = Mapping[str, Any]
Benchmark = Literal[
    "glue", "superglue", "squad", "mrqa", "others", "nlg", "cpt", "mini", "own"
]  # fmt: skip


class Example(NamedTuple):
    """What the model reads, and what it should write."""

    input: str
    answers: tuple[str, ...]
    """The first is what it is trained to write; any of them is right."""
    group: str = ""
    """Examples that are scored together: a MultiRC question, a ReCoRD query."""
    fields: tuple[tuple[int, int], ...] = ()
    """Where in the input the row's own words stand, by characters; the rest is the task's format.
    () where that is not told."""


Metric = Callable[[Sequence[str], Sequence[Example]], float]
"""(predictions, examples) -> a score from 0 to 100; correlations reach down to -100."""


@dataclass(frozen=True)
class Hub:
    """Rows from the Hugging Face hub.

    Args:
        path: the dataset, `owner/name`.
        subset: its configuration; None where it has only one.
        revision: 40 hex digits of a commit, or a branch; None is the newest. The commit that was
            read is recorded with the data.
        files: the file of each split, where the hub keeps no list of them.
    """

    path: str
    subset: str | None
    revision: str | None
    files: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Files:
    """Rows from the files of a user's own task.

    Args:
        folder: where the task's own file is; `names` begin there.
        names: the file of each split, as the user wrote it.
        encoding: of a CSV file.
        delimiter: of a CSV file.
    """

    folder: Path
    names: Mapping[str, str]
    encoding: str = "utf-8"
    delimiter: str = ","


@dataclass(frozen=True)
class Generated:
    """Rows that the project makes itself: the same ones for the same seed, for ever.

    Args:
        make: (seed, rows wanted of each split) -> the rows of each split.
        seed: of the rows, not of any training.
        sizes: how many rows each split has.
    """

    make: Callable[[int, Mapping[str, int]], Mapping[str, Sequence[Row]]]
    seed: int
    sizes: Mapping[str, int]

    def rows(self, split: str) -> Sequence[Row]:
        """Return the rows of `split`."""
        return self.make(self.seed, self.sizes)[split]


@dataclass(frozen=True, eq=False)
class Task:
    """One NLP task, as a value.

    Args:
        name: how specs, lineage and the command line call it.
        benchmark: the set of tasks that it was published in.
        family: what kind of task it is, for instance `entailment`.
        source: where its rows come from.
        read: one row -> one example with all its right answers.
        columns: what a row must have for `read`.
        labels: the label words, ranked by the model; () is free text, decoded greedily.
        metrics: by reported name; the first is the one that tables report.
        splits: how the source's splits become ours.
        max_input: tokens kept of the input.
        max_answer: tokens decoded at most.
        every_answer: train on each right answer in turn, not only on the first (ReCoRD).
        role: in the mini suite, whether the nano backbones may have seen its answers.
        folder: under `--data`; "" is the name.
        trained_on: of a test set without training rows, the tasks whose prompts answer it.
        blank: where `read` is no template, what a row without an answer has in the columns that
            only answers and scores need.
        licence: of the rows, as their authors give it.
        citation: who made them.
        definition: of a user's own task, what its file says, as JSON.
        identity: of a user's own task, the SHA-256 of what in it can change a result.
    """

    name: str
    benchmark: Benchmark
    family: str
    source: Hub | Generated | Files
    read: Callable[[Row], Example]
    columns: tuple[str, ...]
    labels: tuple[str, ...]
    metrics: Mapping[str, Metric]
    splits: Splits
    max_input: int = 256
    max_answer: int = 16
    every_answer: bool = False
    role: Literal["source", "target", ""] = ""
    folder: str = ""
    trained_on: tuple[str, ...] = ()
    blank: Row = field(default_factory=dict)
    licence: str = ""
    citation: str = ""
    definition: str = ""
    identity: str = ""

    def __post_init__(self) -> None:
        # The name becomes a folder under `--data`: it must not climb out of it.
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", self.name):
            raise ValueError(
                f"the task name {self.name!r} cannot be a folder: use a-z, 0-9, _ and - only"
            )
