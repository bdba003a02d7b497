"""Runs of few-shot examples: what teaches a small decoder to learn from its context.

In each run one game is played. In most runs its labels are words drawn at random: what a
label means can only be seen in the examples before. In the others what is always the
same has always the same label: to see what a text says is learned much sooner from those, and then
serves the first.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from random import Random
from typing import NamedTuple

from benchmarks import row_games, word_games
from benchmarks.material import Game, Material
from tasks import mini

OWN_LABELS = 0.25  # of the runs of what is the same in other runs
OUTPUTS = (" answer:", " answer:", " answer:", " answer:", " label:", " :", " ->")

# To look back over the words between is learned after looking back at all.
DRILL_OUTPUTS = ("", " :", " :", " :", " answer:", " answer:", " answer:")


class Piece(NamedTuple):
    """A piece of a run's text; what is written in a piece that counts is to be predicted."""

    text: str
    counts: bool


class Runs:
    """Draws runs of few-shot examples.

    Args:
        seed: of all draws.
        snippets: short texts of the books.
        themes: lists of words that stand together in the books.
        label_words: words that may stand for a class.
        rows: of each source task.
    """

    def __init__(
        self, seed: int, snippets: Sequence[str], themes: Sequence[Sequence[str]],
        label_words: Sequence[str], rows: int = 20_000,
    ) -> None:  # fmt: skip
        self._material = Material(seed, snippets, themes, rows)
        self._rng = self._material.rng
        self._label_words = label_words
        self._task_labels = sorted({word for task in mini.ALL for word in task.labels})
        # No word that labels a task has a meaning of its own: only the examples give it one.
        self._own_words = [word for word in label_words if word not in self._task_labels]

    def draw(self, shots: int) -> tuple[str, list[Piece]]:
        """Return the name of a game and its kind of labels, and a run of `shots` examples."""
        name = self._rng.choices(list(GAMES), [odds for _, odds in GAMES.values()])[0]
        game = GAMES[name][0](self._material)
        own = bool(game.subjects) and self._rng.random() < OWN_LABELS
        labels = self._own_labels(game) if own else self._labels(game.classes)
        output = self._rng.choice(DRILL_OUTPUTS if name == "drill" else OUTPUTS)
        pieces, seen = [], set()
        for text, label in islice(game.examples, shots):
            answer = label if isinstance(label, str) else labels[label]
            # Nobody can tell a label that was not seen yet, nor which game it is: that is noise.
            counts = not game.classes or label in seen or (own and bool(seen))
            seen.add(label)
            pieces += [Piece(f"{text}{output}", False), Piece(f" {answer}", counts)]
            pieces += [Piece("\n", False)]
        return f"{name}, own labels" if own else name, pieces

    def _own_labels(self, game: Game) -> list[str]:
        return [Random(one).choice(self._own_words) for one in game.subjects]

    def _labels(self, classes: int) -> list[str]:
        pool = self._task_labels if self._rng.random() < 0.75 else self._label_words
        return self._rng.sample(pool, classes)


GAMES: dict[str, tuple[Callable[[Material], Game], float]] = {
    **{name: (partial(row_games.task, name=name), odds) for name, odds in {
        "mini_review": 0.2, "mini_deed": 0.1, "mini_meeting": 0.1, "mini_agreement": 0.3,
        "mini_whereabouts": 0.1, "mini_trade": 1,
    }.items()},
    **{f"seen_{name}": (partial(row_games.seen, name=name), odds) for name, odds in {
        "mini_review": 1, "mini_agreement": 0.2, "mini_deed": 0.2, "mini_meeting": 0.1,
        "mini_whereabouts": 0.2,
    }.items()},
    "topics": (row_games.topics, 1),
    "opinions": (row_games.opinions, 4),
    "told": (row_games.told, 0.2),
    "drill": (word_games.drill, 0.3),
    "clusters": (word_games.clusters, 2),
    "themes": (word_games.themes, 6),
    "order": (word_games.order, 4),
    "contains": (word_games.contains, 0.3),
    "same": (word_games.same, 0.5),
}  # fmt: skip
"""Of each game: how it is played, and how often."""
