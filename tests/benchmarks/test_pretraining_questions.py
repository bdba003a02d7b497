"""The questions that the nano backbones learn from: each answer is checked by another reading."""

import itertools
from collections import Counter
from random import Random

import pytest

import tasks
from benchmarks.disguise import disguise
from benchmarks.pretraining_questions import roles, whereabouts
from benchmarks.pretraining_rows import SupervisedRows
from benchmarks.word_questions import (
    ask,
    contains,
    in_both,
    in_order,
    neighbour,
    new_word,
    place,
    same,
)

TEXT = ["the", "old", "man", "saw", "a", "dog", "and", "the", "dog", "saw", "the", "man"]
WORDS = ["wind paper hour kind voice thought week light night"]
OTHER = ["ships", "sail", "by", "night"]


@pytest.fixture(params=range(30))
def rng(request):
    return Random(request.param)


def yes(answer):
    return answer in {"yes", "True", "right", "same"}


def test_the_word_at_an_end_is_the_answer(rng):
    asked, answer = place(TEXT, OTHER, rng)
    assert answer == ("the" if "first" in asked else "man")


def test_a_neighbour_stands_beside_the_word_that_was_asked_for(rng):
    asked, answer = neighbour(TEXT, OTHER, rng)
    word = asked.split()[3]
    if word not in TEXT:
        assert answer == "nothing"
        return
    pair = (word, answer) if "after" in asked else (answer, word)
    assert pair in set(itertools.pairwise(TEXT))


def test_a_word_is_contained_or_not(rng):
    asked, answer = contains(TEXT, OTHER, rng)
    word, shown = asked.split()[5], asked.partition(" . ")[2].split()
    assert yes(answer) == (word in shown)


def test_words_are_in_order_or_two_neighbours_are_not(rng):
    asked, answer = in_order(TEXT, OTHER, rng)
    shown = asked.partition(" . ")[2].split()
    assert yes(answer) == (shown == TEXT)
    assert Counter(shown) == Counter(TEXT)


def test_two_texts_are_the_same_or_not(rng):
    asked, answer = same(TEXT, OTHER, rng)
    one, other = asked.partition(" . ")[2].split(" | ")
    assert yes(answer) == (one == other)


def test_a_shared_word_is_in_both_lists(rng):
    asked, answer = in_both(TEXT, OTHER, rng)
    one, other = (half.split() for half in asked.partition("? ")[2].split("|"))
    assert set(one) & set(other) == ({answer} - {"nothing"})


def test_a_new_word_is_where_the_texts_differ(rng):
    asked, answer = new_word(TEXT, OTHER, rng)
    one, other = (half.split() for half in asked.partition("? ")[2].split("|"))
    assert (answer == "nothing") == (one == other)
    assert one == other or answer in other


def test_a_text_of_two_equal_words_can_be_asked_about(rng):
    for _ in range(20):
        assert ask("no no", "no yes", rng).answer


@pytest.mark.parametrize(
    "sentence",
    [
        "in the barn the cook helped the judge .",
        "the cook helped the judge in the barn .",
        "the judge was helped by the cook in the barn .",
        "in the barn the judge was helped by the cook .",
        "it was the cook who helped the judge in the barn .",
    ],
)
def test_who_did_it_is_found_in_any_voice(sentence):
    assert roles(sentence) == ("cook", "judge")


def test_where_somebody_is_agrees_with_the_label():
    for row in tasks.get("mini_whereabouts").source.rows("train"):
        question, answer = whereabouts(row, Random(row["passage"]))
        if question.startswith("Where is that one"):
            assert answer.split()[1] == ("no", "yes")[row["label"]]


@pytest.mark.parametrize("name", ["mini_deed", "mini_meeting", "mini_agreement"])
def test_a_disguised_row_says_the_same_in_other_words(name, rng):
    row = tasks.get(name).source.rows("train")[rng.randrange(500)]
    other = disguise(row, ["wind", "paper", "hour", "kind", "voice", "thought", "week"], rng)
    texts = [
        " ".join(str(one[key]) for key in row if key != "label").split() for one in (row, other)
    ]
    assert other["label"] == row["label"]
    assert len(texts[0]) == len(texts[1])
    pairs = set(zip(*texts, strict=True))
    assert any(old != new for old, new in pairs)
    assert len(pairs) == len({old for old, _ in pairs}) == len({new for _, new in pairs})


def test_every_kind_of_row_is_drawn():
    rows = SupervisedRows(0, ["a short text from a book of those old days"] * 2 + WORDS, 200)
    kinds = Counter(rows.draw().name for _ in range(2000))
    assert {"question", "same", "neighbour", "mini_deed", "mini_trade"} < kinds.keys()
