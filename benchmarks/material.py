"""What runs of few-shot examples are made of: words, short texts, and rows of source tasks."""

from collections.abc import Iterator, Sequence
from random import Random
from typing import NamedTuple

from benchmarks.disguise import common_words, disguise
from benchmarks.pretraining_rows import DISGUISED, INSTRUCTIONS, pretraining_rows
from tasks import mini
from tasks.task import Row, Task

FIELDS = ("sentence:", "sentence:", "text:", "line:", "passage:", "words:", "")


class Shot(NamedTuple):
    """One example of a game: its text, and its class, or the words to write."""

    text: str
    label: int | str


class Game(NamedTuple):
    """What is told of each text of a run.

    Attributes:
        classes: how many there are; 0 where the answer is a word of the text.
        examples: without end.
        subjects: a name of what each class is, where that is the same in each run that has it.
    """

    classes: int
    examples: Iterator[Shot]
    subjects: Sequence[str] = ()


class Material:
    """Words, short texts and source rows, and the generator that games draw from.

    Args:
        seed: of all draws.
        snippets: short texts of the books.
        themes: lists of words that stand together in the books.
        rows: of each source task.
    """

    def __init__(
        self, seed: int, snippets: Sequence[str], themes: Sequence[Sequence[str]], rows: int
    ) -> None:
        self.rng = Random(seed)
        self.snippets, self.themes = snippets, themes
        self.words = common_words(snippets)
        self.sources: dict[str, Task] = {
            task.name: task for task in mini.ALL if task.name in INSTRUCTIONS
        }
        self.pools = {name: pretraining_rows(task, rows) for name, task in self.sources.items()}

    def rows(self, name: str) -> Iterator[tuple[Task, Row]]:
        """Yield rows of a source task without end: as they are, or all in other words."""
        hidden = name in DISGUISED and self.rng.random() < 0.4
        while True:
            row = self.rng.choice(self.pools[name])
            yield self.sources[name], disguise(row, self.words, self.rng) if hidden else row

    def some_words(self, most: int) -> list[str]:
        """Return up to `most` different words."""
        return self.rng.sample(self.words, self.rng.randint(0, most))
