"""What a served model says of itself: its prompts, what each answers, and on which backbone."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

import tasks
from pipelines.records import GROUP, MULTITASK, Kind
from pipelines.registration import Candidate
from pipelines.serving.naming import PROMPT, Names, PromptColumn
from pipelines.spec import Count, Precision, Values
from tasks import Task
from tasks.sample import sample
from tasks.unlabelled import ask, columns

Sha = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class OtherReading(ValueError):
    """A task reads its rows otherwise than when a prompt was published for it."""

    def __init__(self, task: str, then: object, now: object) -> None:
        super().__init__(
            f"the task {task!r} is not the one that the prompt was trained on: what was {then!r} "
            f"is {now!r} here; serve it with the version of prompt-transfer that published it"
        )


class PartCard(Values):
    """One task that a prompt answers."""

    task: str
    place: Annotated[int, Field(ge=0)]
    """Of its vector, among those of the prompt."""
    row: dict[str, Any]
    """A row, as an example: it has the columns that every row must have."""
    reads: str
    """What the model reads of it."""
    labels: list[str]
    """What it can answer; [] is free text."""
    max_input: Count
    """Tokens kept of an input, as in its training."""
    max_answer: Count
    definition: dict[str, Any] | None = None
    """Of a user's own task, what its file says: it is served where that file is not."""

    def open(self) -> Task:
        """Return the task.

        Raises:
            UnknownTask: this version knows no such task.
            OtherReading: it is another one by now.
        """
        task = _task(self.task, self.definition)
        needs = sorted(columns(task))
        text = ask(task, self.row) if sorted(self.row) == needs else self.reads
        for then, now in (
            (sorted(self.row), needs), (self.reads, text), (self.labels, list(task.labels)),
        ):  # fmt: skip
            if then != now:
                raise OtherReading(self.task, then, now)
        return task


class PromptCard(Values):
    """A prompt, by the SHA-256 of its file."""

    sha256: Sha
    kind: Kind
    num_tokens: Count
    hidden_size: Count
    parts: Annotated[list[PartCard], Field(min_length=1)]


class Card(Values):
    """Prompts of one backbone, in one precision."""

    format: Literal[1] = 1
    backbone: str
    backbone_sha256: Sha
    precision: Precision
    prompts: Annotated[list[PromptCard], Field(min_length=1)]

    @property
    def parts(self) -> list[tuple[str, PartCard]]:
        """All tasks of all prompts, each with its prompt's digest."""
        return [(one.sha256, part) for one in self.prompts for part in one.parts]

    @property
    def names(self) -> list[str]:
        """The shortest name of each."""
        return Names([(sha, part.task) for sha, part in self.parts]).shortest()

    def rows_name_prompts(self) -> bool:
        """Say whether a row's column `prompt` says which one answers it; a lone task may read it.

        Raises:
            PromptColumn: one of several tasks reads it.
        """
        readers = [part.task for _, part in self.parts if PROMPT in part.row]
        if readers and len(self.parts) > 1:
            raise PromptColumn(readers[0])
        return not readers


def parts_of(candidate: Candidate) -> list[PartCard]:
    """Return the tasks that a prompt was made for; several share a source's or a group's.

    Raises:
        UnknownTask: this version does not know one of them.
    """
    several = candidate.task in (MULTITASK, GROUP)
    spec = candidate.run.spec
    own = {one["name"]: one for one in spec.get("definitions", ())}
    names: Sequence[str] = candidate.tasks if several else (candidate.task,)
    return [
        _part(_task(name, own.get(name)), place, own.get(name), spec.get("max_length"))
        for place, name in enumerate(names)
    ]


def _part(
    task: Task, place: int, definition: Mapping[str, Any] | None, limit: int | None
) -> PartCard:
    row = dict(sample(task))
    return PartCard(
        task=task.name, place=place, row=row, reads=ask(task, row), labels=list(task.labels),
        max_input=limit or task.max_input, max_answer=task.max_answer,
        definition=None if definition is None else dict(definition),
    )  # fmt: skip


def _task(name: str, definition: Mapping[str, Any] | None) -> Task:
    if definition is None:
        return tasks.get(name)
    from tasks.own.definition import Definition
    from tasks.own.task import make

    return make(Definition.check(Path(f"{name}.yaml"), definition), Path())
