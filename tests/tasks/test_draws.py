from collections import Counter

import pytest

import tasks
from tasks.draws import TooFewExamples, draw

DINING = tasks.get("mini_dining")
PURSUIT = tasks.get("mini_pursuit")
SQUAD = tasks.get("squad")


@pytest.fixture(scope="module")
def dining():
    return tasks.load(DINING).train


def labels(examples):
    return Counter(one.answers[0] for one in examples)


@pytest.mark.parametrize("seed", range(5))
def test_a_draw_holds_as_many_of_each_label(dining, seed):
    assert labels(draw(DINING, dining, 8, False, seed)) == {"negative": 4, "positive": 4}
    assert labels(draw(DINING, dining, 8, True, seed)) == {"negative": 8, "positive": 8}
    pursuits = draw(PURSUIT, tasks.load(PURSUIT).train, 6, False, seed)
    assert sorted(labels(pursuits).values()) == [1, 1, 2, 2]


def test_what_is_left_over_goes_to_another_label_by_another_seed(dining):
    more = {max(labels(draw(DINING, dining, 3, False, seed)).items(), key=lambda x: x[1])[0]
            for seed in range(10)}  # fmt: skip
    assert more == {"negative", "positive"}


def test_a_seed_fixes_the_draw_and_another_seed_is_another(dining):
    assert draw(DINING, dining, 4, False, 1) == draw(DINING, dining, 4, False, 1)
    assert draw(DINING, dining, 4, False, 1) != draw(DINING, dining, 4, False, 2)
    texts = [one.input for one in draw(DINING, dining, 4, False, 0)]
    assert texts == [
        "sentence: they thought the pie silly , and the room too seemed not clever .",
        "sentence: we thought the rice so tedious although the music seemed so great .",
        "sentence: we thought the stew very delightful , and the room too seemed very splendid .",
        "sentence: I thought the wine not weak , and the fire too seemed not ugly .",
    ]


def test_a_draw_is_in_random_order(dining):
    firsts = {draw(DINING, dining, 2, False, seed)[0].answers[0] for seed in range(10)}
    assert firsts == {"negative", "positive"}


def test_more_than_there_are_is_refused(dining):
    by_label = {word: [x for x in dining if x.answers[0] == word] for word in DINING.labels}
    few = by_label["positive"][:9] + by_label["negative"][:4]
    with pytest.raises(TooFewExamples, match="cannot draw 5 with the label 'negative'"):
        draw(DINING, few, 5, True, 0)
    with pytest.raises(TooFewExamples, match="cannot draw 9 from 'squad': it has 1 training"):
        draw(SQUAD, [tasks.Example("question: a", ("b",))], 9, False, 0)


def test_a_template_says_where_the_rows_own_words_stand():
    row = {"premise": "it rains", "hypothesis": "{it} is wet", "label": 0}
    example = tasks.get("mini_deed").read(row)
    assert example.input == "premise: it rains hypothesis: {it} is wet"
    assert [example.input[a:b] for a, b in example.fields] == ["it rains", "{it} is wet"]
