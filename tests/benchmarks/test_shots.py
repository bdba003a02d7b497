"""Runs of few-shot examples: in each, what a label means is what the examples before it say."""

from collections import defaultdict
from itertools import product

import pytest

import tasks
from benchmarks.pretraining_questions import OPINION
from benchmarks.shots import GAMES, OUTPUTS, Runs
from tasks import mini
from tasks.mini.sentiment import GOOD

SYLLABLES = ("ba", "ko", "li", "mu", "re", "ta", "vo", "ne")
WORDS = ["".join(parts) for parts in product(SYLLABLES, repeat=3)]
SNIPPETS = [" ".join(WORDS[at : at + 8]) for at in range(0, len(WORDS), 8)]
THEMES = [WORDS[at : at + 12] for at in range(0, len(WORDS) - 12, 12)]
LABELS = ["alpha", "beta", "gamma", "delta", "zeta", "kappa", "sigma", "omega"]


@pytest.fixture(scope="module")
def runs():
    return Runs(0, SNIPPETS, THEMES, LABELS, rows=300)


def examples(pieces):
    return [(pieces[at].text, pieces[at + 1].text.strip()) for at in range(0, len(pieces), 3)]


@pytest.fixture(scope="module")
def played(runs):
    """Some runs of each game."""
    found = defaultdict(list)
    for _ in range(3000):
        name, pieces = runs.draw(12)
        found[name].append(pieces)
    return found


def test_every_game_is_played(played):
    assert {name.partition(",")[0] for name in played} == set(GAMES)


def test_an_example_is_a_text_an_answer_that_counts_and_a_new_line(played):
    for pieces in (one for some in played.values() for one in some):
        assert len(pieces) == 36
        for at in range(0, 36, 3):
            text, answer, end = pieces[at : at + 3]
            assert not text.counts
            assert not end.counts
            assert answer.text.startswith(" ")
            assert end.text == "\n"


def test_in_a_drill_the_same_text_has_the_same_label(played):
    for pieces in played["drill"]:
        seen = {}
        for text, label in examples(pieces):
            assert seen.setdefault(text, label) == label


def pleased(text):
    """Say what the last opinion of a review is, by its words."""
    _, negated, adjective = OPINION.findall(text)[-1]
    return (adjective in GOOD) != bool(negated)


def meanings(pieces):
    """Return what each label of a run of reviews stands for, as a set of tuples."""
    return {(label, pleased(text)) for text, label in examples(pieces)}


def test_within_a_run_each_class_has_one_label(played):
    for name in ("mini_review", "mini_review, own labels"):
        for pieces in played[name]:
            assert len({label for label, _ in meanings(pieces)}) == 2
            assert len(meanings(pieces)) == 2


def test_a_label_means_something_else_in_another_run(played):
    found = set().union(*map(meanings, played["mini_review"]))
    labels = {label for label, _ in found}
    assert any({(label, True), (label, False)} <= found for label in labels)


def test_labels_of_its_own_mean_the_same_in_each_run_and_label_no_task(played):
    found = set().union(*map(meanings, played["mini_review, own labels"]))
    assert len(found) == 2
    assert not {label for label, _ in found} & {word for task in mini.ALL for word in task.labels}


def test_no_run_shows_a_text_of_a_target_or_of_a_test_split(played):
    written = {text for some in played.values() for pieces in some for text, _ in examples(pieces)}
    shown = {text.removesuffix(output) for text in written for output in (*OUTPUTS, "")}
    for task in mini.ALL:
        data = tasks.load(task)
        hidden = [one.input for one in (*data.validation, *data.test)]
        hidden += [one.input for one in data.train] if task.role == "target" else []
        assert shown.isdisjoint(hidden), task.name
