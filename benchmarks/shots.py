"""Runs of few-shot examples: what teaches a small decoder to learn from its context.

In each run one *game* is played with labels of its own: which word means what can only be seen in
the examples before. A game is a source task of the mini suite, something else that can be seen in
its rows, or something that can be seen in any text of the books.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from random import Random
from typing import NamedTuple

from benchmarks.disguise import common_words, disguise
from benchmarks.pretraining_questions import AGREEMENT, ONE_WHO_DOES, OPINION, QUESTIONS
from benchmarks.pretraining_rows import DISGUISED, INSTRUCTIONS, bare, pretraining_rows
from tasks import mini
from tasks.mini.lexicon import WOMEN
from tasks.mini.sentiment import BAD, GOOD, PARTS
from tasks.task import Row, Task

FIELDS = ("sentence:", "sentence:", "text:", "line:", "passage:", "words:", "")
OUTPUTS = (" answer:", " answer:", " answer:", " answer:", " label:", " :", " ->")

# To look back over the words between is learned after looking back at all.
DRILL_OUTPUTS = ("", " :", " :", " :", " answer:", " answer:", " answer:")


class Shot(NamedTuple):
    """One example of a game: its text, and its class, or the words to write."""

    text: str
    label: int | str


Game = tuple[int, Iterator[Shot]]
"""Of how many classes it is (0: the answer is a word of the text), and its examples."""


class Piece(NamedTuple):
    """A piece of a run's text; what is written in a piece that counts is to be predicted."""

    text: str
    counts: bool


@dataclass
class Runs:
    """Draws runs of few-shot examples.

    Args:
        seed: of all draws.
        snippets: short texts of the books.
        label_words: words that may stand for a class.
        rows: of each source task.
    """

    seed: int
    snippets: Sequence[str]
    label_words: Sequence[str]
    rows: int = 20_000

    def __post_init__(self) -> None:
        self._rng = Random(self.seed)
        self._words = common_words(self.snippets)
        sources = [task for task in mini.ALL if task.name in INSTRUCTIONS]
        self._pools = {task.name: (task, pretraining_rows(task, self.rows)) for task in sources}
        self._pool_labels = [word for task in sources for word in task.labels]

    def draw(self, shots: int) -> tuple[str, list[Piece]]:
        """Return the name of a game, and a run of `shots` of its examples."""
        name = self._rng.choices(list(GAMES), [odds for _, odds in GAMES.values()])[0]
        classes, examples = GAMES[name][0](self)
        labels = self._labels(classes)
        output = self._rng.choice(DRILL_OUTPUTS if name == "drill" else OUTPUTS)
        pieces, seen = [], set()
        for text, label in islice(examples, shots):
            answer = label if isinstance(label, str) else labels[label]
            # Nobody can tell a label that was not seen yet: that would be noise.
            counts = not classes or label in seen
            seen.add(label)
            pieces += [Piece(f"{text}{output}", False), Piece(f" {answer}", counts)]
            pieces += [Piece("\n", False)]
        return name, pieces

    def _labels(self, classes: int) -> list[str]:
        pool = self._pool_labels if self._rng.random() < 0.4 else self.label_words
        return self._rng.sample(sorted(set(pool)), classes)

    def _rows(self, name: str) -> Iterator[tuple[Task, Row]]:
        task, rows = self._pools[name]
        hidden = name in DISGUISED and self._rng.random() < 0.4
        while True:
            row = self._rng.choice(rows)
            yield task, disguise(row, self._words, self._rng) if hidden else row

    def task(self, name: str) -> Game:
        """Play a source task itself, mostly as it will be read."""
        plain = self._rng.random() < 0.25
        task = self._pools[name][0]
        rows = self._rows(name)
        return len(task.labels), (
            Shot(bare(row) if plain else task.read(row).input, row["label"]) for task, row in rows
        )

    def topics(self) -> Game:
        """Play two or three of the trades."""
        kept = self._rng.sample(range(4), self._rng.choice([2, 3]))
        rows = (one for one in self._rows("mini_trade") if one[1]["label"] in kept)
        return len(kept), (
            Shot(task.read(row).input, kept.index(row["label"])) for task, row in rows
        )

    def seen(self, name: str) -> Game:
        """Tell something else that can be seen in a source row."""
        see = self._rng.choice(SEEN[name])
        return 2, (Shot(task.read(row).input, int(see(row))) for task, row in self._rows(name))

    def opinions(self) -> Game:
        """Of one to three opinions, the first or the last counts."""
        which, field = self._rng.choice([0, -1]), self._rng.choice(FIELDS)
        most = self._rng.choice([1, 2, 2, 3])
        links = self._rng.choice([(" and ",), (" but ",), (" , ", " and ", " but ", " while ")])
        things = PARTS if self._rng.random() < 0.5 else self._rng.sample(self._words, 30)
        verb = self._rng.choice(["was", "was", "is", "looked", "felt", "remained"])

        def examples() -> Iterator[Shot]:
            while True:
                said = [self._opinion(things, verb) for _ in range(self._rng.randint(1, most))]
                text = said[0].text
                for one in said[1:]:
                    text += self._rng.choice(links) + one.text
                yield Shot(f"{field} {text} .".strip(), said[which].label)

        return 2, examples()

    def _opinion(self, things: Sequence[str], verb: str) -> Shot:
        good, negated = self._rng.random() < 0.5, self._rng.random() < 0.2
        word = self._rng.choice(GOOD if good != negated else BAD)
        degree = "not " if negated else self._rng.choice(["", "very ", "so "])
        return Shot(f"the {self._rng.choice(things)} {verb} {degree}{word}", int(good))

    def drill(self) -> Game:
        """Say again what stood behind a word: the shortest way to learn to look back."""
        classes, size = self._rng.choice([2, 3, 4, 6]), self._rng.choice([1, 1, 1, 2])
        words = self._rng.sample(self._words, classes * size)
        texts = [" ".join(words[at::classes]) for at in range(classes)]
        labels = [self._rng.randrange(classes) for _ in texts]

        def examples() -> Iterator[Shot]:
            while True:
                at = self._rng.randrange(classes)
                yield Shot(texts[at], labels[at])

        return classes, examples()

    def clusters(self) -> Game:
        """Tell which of some lists of words a text has most words of."""
        classes, field = self._rng.choice([2, 2, 3, 4]), self._rng.choice(FIELDS)
        size, shown = self._rng.choice([1, 2, 4, 8, 12]), self._rng.choice([1, 2, 3])
        words = self._rng.sample(self._words, classes * size)
        lists = [words[at::classes] for at in range(classes)]
        stray, frames = self._rng.random() < 0.4, self._rng.random() < 0.7

        def examples() -> Iterator[Shot]:
            while True:
                label = self._rng.randrange(classes)
                said = self._rng.sample(lists[label], min(shown, size))
                if stray and len(said) > 1:
                    said.append(self._rng.choice(lists[(label + 1) % classes]))
                filler = self._rng.choice(self.snippets).split()[:8] if frames else []
                for word in said:
                    filler.insert(self._rng.randint(0, len(filler)), word)
                yield Shot(f"{field} {' '.join(filler)} .".strip(), label)

        return classes, examples()

    def order(self) -> Game:
        """Tell whether two neighbours have changed places."""
        field, near = self._rng.choice(FIELDS), self._rng.random() < 0.5

        def examples() -> Iterator[Shot]:
            while True:
                words = (self._plain_text() if near else self._rng.choice(self.snippets)).split()
                label = self._rng.randrange(2)
                if label:
                    at = self._rng.randrange(len(words) - 1)
                    words[at : at + 2] = reversed(words[at : at + 2])
                yield Shot(f"{field} {' '.join(words)}".strip(), label)

        return 2, examples()

    def _plain_text(self) -> str:
        name = self._rng.choice(["mini_deed", "mini_agreement", "mini_meeting", "mini_trade"])
        row = self._rng.choice(self._pools[name][1])
        return str(next(iter(row.values())))

    def contains(self) -> Game:
        """Tell whether a text has a word, always the same one."""
        word, field = self._rng.choice(self._words), self._rng.choice(FIELDS)

        def examples() -> Iterator[Shot]:
            while True:
                words = self._rng.choice(self.snippets).split()
                label = self._rng.randrange(2)
                other = self._rng.choice(self._words)
                words.insert(self._rng.randint(0, len(words)), word if label else other)
                yield Shot(f"{field} {' '.join(words)}".strip(), label)

        return 2, examples()

    def same(self) -> Game:
        """Tell whether two texts are the same, or have a word in common."""
        names = self._rng.choice([("sentence1:", "sentence2:"), ("premise:", "hypothesis:"),
                                  ("question1:", "question2:"), ("", "|")])  # fmt: skip
        size, whole = self._rng.choice([1, 2, 3, 5]), self._rng.random() < 0.5

        def examples() -> Iterator[Shot]:
            while True:
                first = self._rng.sample(self._words, size)
                second = list(first) if whole else self._rng.sample(self._words, size)
                label = self._rng.randrange(2)
                if whole and not label:
                    second[self._rng.randrange(size)] = self._rng.choice(self._words)
                if label and not whole:
                    second[self._rng.randrange(size)] = self._rng.choice(first)
                text = f"{names[0]} {' '.join(first)} {names[1]} {' '.join(second)}"
                yield Shot(text.strip(), label)

        return 2, examples()

    def told(self) -> Game:
        """Answer one kind of question about a source row with a word of it."""
        name = self._rng.choice(["mini_deed", "mini_meeting", "mini_agreement", "mini_whereabouts"])

        def examples() -> Iterator[Shot]:
            for task, row in self._rows(name):
                question, answer = QUESTIONS[name](row, self._rng)
                if " " not in answer:
                    yield Shot(f"{question} {task.read(row).input}", answer)

        return 0, examples()


def _opinions(row: Row) -> list[tuple[str, str, str]]:
    return OPINION.findall(row["sentence"])


def _pleased(opinion: tuple[str, str, str]) -> bool:
    _, negated, adjective = opinion
    return (adjective in GOOD) != bool(negated)


def _verb(row: Row) -> str:
    found = AGREEMENT.fullmatch(row["sentence"])
    assert found, row["sentence"]
    return found[2]


See = Callable[[Row], bool]
SEEN: dict[str, tuple[See, ...]] = {
    "mini_review": (
        lambda row: _pleased(_opinions(row)[0]),
        lambda row: _pleased(_opinions(row)[0]),
        lambda row: " but " in row["sentence"],
        lambda row: " not " in row["sentence"],
    ),
    "mini_agreement": (
        lambda row: row["sentence"].split()[1].endswith("s"),
        lambda row: row["sentence"].split()[4].endswith("s"),
        lambda row: _verb(row) in ONE_WHO_DOES,
    ),
    "mini_deed": (
        lambda row: row["premise"].split()[0] in WOMEN,
        lambda row: " was " in row["hypothesis"],
        lambda row: row["premise"].split()[0] in row["hypothesis"].split(),
    ),
    "mini_meeting": (
        lambda row: " was " in row["sentence1"],
        lambda row: " who " in row["sentence2"],
    ),
    "mini_whereabouts": (
        lambda row: row["passage"].split()[0] in WOMEN,
        lambda row: row["question"].split()[1] == row["passage"].split()[0],
        lambda row: row["question"].split()[-2] == row["passage"].split()[4],
    ),
}
GAMES: dict[str, tuple[Callable[[Runs], Game], float]] = {
    **{name: (partial(Runs.task, name=name), odds) for name, odds in {
        "mini_review": 1.5, "mini_deed": 1, "mini_meeting": 0.7, "mini_agreement": 1,
        "mini_whereabouts": 0.7, "mini_trade": 1,
    }.items()},
    **{f"seen_{name}": (partial(Runs.seen, name=name), odds) for name, odds in {
        "mini_review": 1.2, "mini_agreement": 0.7, "mini_deed": 0.5, "mini_meeting": 0.3,
        "mini_whereabouts": 0.5,
    }.items()},
    "topics": (Runs.topics, 0.7),
    "opinions": (Runs.opinions, 2),
    "drill": (Runs.drill, 6),
    "clusters": (Runs.clusters, 3),
    "order": (Runs.order, 2),
    "contains": (Runs.contains, 0.8),
    "same": (Runs.same, 1),
    "told": (Runs.told, 0.8),
}  # fmt: skip
"""Of each game: how it is played, and how often."""
