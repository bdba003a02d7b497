"""What is kept of a user's rows as they go by: some 20 bytes each, however long they are."""

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal

from tasks import hub
from tasks.own import files
from tasks.own.files import BadFile, Record
from tasks.rows import BadCell
from tasks.task import Example, Files, Hub, Task

CHUNK = 1_000  # rows whose tokens are counted at once
TOLD = 20  # bad rows of a file that are told one by one


@dataclass(frozen=True)
class Ruler:
    """How long texts are for a backbone."""

    backbone: str
    limit: int | None
    """Tokens that it can read; None where it does not say."""
    lengths: Callable[[Sequence[str]], list[int]]


@dataclass(frozen=True)
class Finding:
    """Something wrong with the rows: an error refuses the task, a warning does not."""

    level: Literal["error", "warning"]
    message: str


@dataclass
class Seen:
    """What is kept of one split's rows."""

    file: str
    bad: list[Finding] = field(default_factory=list)
    num_bad: int = 0
    # Of each good row: its number, and hashes of what is read and of what is to be written.
    numbers: "array[int]" = field(default_factory=lambda: array("L"))
    texts: "array[int]" = field(default_factory=lambda: array("q"))
    answers: "array[int]" = field(default_factory=lambda: array("q"))
    labels: Counter[str] = field(default_factory=Counter)
    empty: dict[int, tuple[int, int]] = field(default_factory=dict)
    """By place in the template: how many rows have no text there, and the first of them."""
    cut: tuple[int, int, int] = (0, 0, 0)
    """Inputs that are too long, tokens of the longest of all, and its row."""
    cut_answers: tuple[int, int, int] = (0, 0, 0)
    """The same of answers."""
    first: dict[str, int] = field(default_factory=dict)
    """The first row of each label."""

    def refuse(self, number: int, reason: str) -> None:
        """Keep why a row is bad."""
        self.num_bad += 1
        if len(self.bad) < TOLD:
            self.bad.append(Finding("error", f"{self.file}, row {number}: {reason}"))

    def add(self, task: Task, number: int, example: Example) -> None:
        """Keep a good row."""
        self.numbers.append(number)
        self.texts.append(hash(example.input))
        self.answers.append(hash(example.answers))
        if task.labels:
            self.labels[example.answers[0]] += 1
            self.first.setdefault(example.answers[0], number)
        for at, (start, end) in enumerate(example.fields):
            if start == end:
                count, first = self.empty.get(at, (0, number))
                self.empty[at] = count + 1, first

    def measure(self, task: Task, ruler: Ruler, some: Sequence[tuple[int, Example]]) -> None:
        """Keep how long some rows are."""
        numbers = [number for number, _ in some]
        inputs = ruler.lengths([one.input for _, one in some])
        self.cut = _cut(self.cut, zip(numbers, inputs, strict=True), task.max_input)
        if not task.labels:
            answers = ruler.lengths([one.answers[0] for _, one in some])
            self.cut_answers = _cut(
                self.cut_answers, zip(numbers, answers, strict=True), task.max_answer
            )


def _cut(
    known: tuple[int, int, int], some: Iterable[tuple[int, int]], limit: int
) -> tuple[int, int, int]:
    """Return how many are over the limit, the longest, and its row; `some` are rows and lengths."""
    over, longest, row = known
    for number, length in some:
        over += length > limit
        if length > longest:
            longest, row = length, number
    return over, longest, row


def see(task: Task, split: str, ruler: Ruler | None) -> Seen:
    """Read all rows of a split.

    Raises:
        HubUnreachable: the hub gave no rows.
    """
    seen = Seen(_file(task, split))
    good = _good(task, _records(task, split), seen)
    try:
        while some := list(islice(good, CHUNK)):
            for number, example in some:
                seen.add(task, number, example)
            if ruler:
                seen.measure(task, ruler, some)
    except BadFile as error:
        seen.num_bad += 1
        seen.bad.append(Finding("error", str(error)))
    return seen


def splits_of(task: Task) -> list[str]:
    """Return the splits that a task has rows of its own for, `train` first."""
    if isinstance(task.source, Files):
        return list(task.source.names)
    assert isinstance(task.source, Hub), "a user's task is of files or of the hub"
    return [name for name in task.splits.names if name in hub.read(task.source).splits]


def _file(task: Task, split: str) -> str:
    if isinstance(task.source, Files):
        return task.source.names[split]
    assert isinstance(task.source, Hub), "a user's task is of files or of the hub"
    return f"{hub.title(task.source)} {split}"


def _records(task: Task, split: str) -> Iterable[Record]:
    if isinstance(task.source, Files):
        return files.records(task.source, split, task.columns)
    assert isinstance(task.source, Hub), "a user's task is of files or of the hub"
    return enumerate(hub.read(task.source).splits[split], 1)


def _good(task: Task, records: Iterable[Record], seen: Seen) -> Iterator[tuple[int, Example]]:
    for number, row in records:
        if isinstance(row, str):
            seen.refuse(number, row)
        elif lacking := [column for column in task.columns if column not in row]:
            seen.refuse(number, f"it has no {', '.join(map(repr, lacking))}")
        else:
            try:
                yield number, task.read(row)
            except BadCell as error:
                seen.refuse(number, str(error))
