"""Runs of few-shot examples: in each, what a label means is what the examples before it say."""

from collections import defaultdict

import pytest

import tasks
from benchmarks.shots import GAMES, Runs
from tasks import mini

SNIPPETS = [
    "the old captain looked across the harbour where morning light was breaking slowly",
    "never before had such silence fallen upon that ancient garden beside their house",
    "having finished breakfast they walked together towards distant mountains under heavy clouds",
    "nothing remained except broken furniture scattered between empty bottles and yellow letters",
] * 5
LABELS = ["alpha", "beta", "gamma", "delta"]
# These can be told from the words alone, and are told again here.
TOLD_BY_WORDS = {"drill", "contains", "same"}


@pytest.fixture(scope="module")
def runs():
    made = Runs(0, SNIPPETS, LABELS)
    # Fewer rows are as good here, and sooner made.
    return made


def examples(pieces):
    return [(pieces[at].text, pieces[at + 1].text.strip()) for at in range(0, len(pieces), 3)]


@pytest.fixture(scope="module")
def played(runs):
    """Some runs of each game."""
    found = defaultdict(list)
    for _ in range(400):
        name, pieces = runs.draw(12)
        found[name].append(pieces)
    return found


def test_every_game_is_played(played):
    assert set(played) == set(GAMES)


def test_an_example_is_a_text_an_answer_that_counts_and_a_new_line(played):
    for pieces in (one for some in played.values() for one in some):
        assert len(pieces) == 36
        for at in range(0, 36, 3):
            text, answer, end = pieces[at : at + 3]
            assert (text.counts, answer.counts, end.counts) == (False, True, False)
            assert answer.text.startswith(" ")
            assert end.text == "\n"


def test_in_a_drill_the_same_text_has_the_same_label(played):
    for pieces in played["drill"]:
        seen = {}
        for text, label in examples(pieces):
            assert seen.setdefault(text, label) == label


def test_a_label_means_something_else_in_another_run(played):
    meanings = defaultdict(set)
    for pieces in played["mini_review"]:
        for text, label in examples(pieces):
            meanings[label].add(" not " in text)
    assert len(meanings) > 2


def test_no_run_shows_a_text_of_a_target_or_of_a_test_split(played):
    shown = {text for some in played.values() for pieces in some for text, _ in examples(pieces)}
    for task in mini.ALL:
        data = tasks.load(task)
        hidden = [one.input for one in (*data.validation, *data.test)]
        hidden += [one.input for one in data.train] if task.role == "target" else []
        for text in hidden:
            assert not any(one.startswith(text) for one in shown), text
