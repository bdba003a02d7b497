"""Themes: words that stand together in texts."""

from random import Random

from benchmarks import themes
from benchmarks.themes import themes as themes_of

SEA = (
    "ship", "sail", "wave", "anchor", "island", "storm", "captain", "rope", "tide", "shore",
    "boat", "harbour",
)  # fmt: skip
LAW = (
    "judge", "trial", "court", "prison", "crime", "jury", "guilt", "sentence", "thief", "verdict",
    "lawyer", "penalty",
)  # fmt: skip


def test_themes_are_the_words_that_stand_together(monkeypatch):
    monkeypatch.setattr(themes, "EVERYWHERE", 1)
    rng = Random(0)
    texts = [
        " ".join(["about", *rng.sample(subject, 5)]) for _ in range(200) for subject in (SEA, LAW)
    ]
    found = themes_of(texts)
    assert {frozenset(theme) for theme in found} == {frozenset(SEA), frozenset(LAW)}
