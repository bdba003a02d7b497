"""Scores of written text, against sacrebleu's own and cases worked by hand."""

from random import Random

import pytest

from tasks import generation
from tasks.task import Example


def examples(*answers, groups=None):
    groups = groups or [""] * len(answers)
    return [
        Example("", (answer,) if isinstance(answer, str) else answer, group)
        for answer, group in zip(answers, groups, strict=True)
    ]


def longest_common_slowly(one, other):
    if not one or not other:
        return 0
    if one[-1] == other[-1]:
        return 1 + longest_common_slowly(one[:-1], other[:-1])
    return max(longest_common_slowly(one[:-1], other), longest_common_slowly(one, other[:-1]))


def test_rouge_l_equals_the_recursion_written_out():
    draw = Random(0)
    for _ in range(50):
        guess, answer = ([draw.choice("abc") for _ in range(draw.randint(1, 8))] for _ in range(2))
        shared = longest_common_slowly(guess, answer)
        p, r = shared / len(guess), shared / len(answer)
        expected = 100 * 2.44 * p * r / (r + 1.44 * p) if shared else 0
        ours = generation.rouge_l([" ".join(guess)], examples(" ".join(answer)))
        assert ours == pytest.approx(expected)


def test_rouge_l_worked_by_hand_takes_the_best_precision_and_the_best_recall():
    # 3 of 4 words are in order in the first, 2 of its 2 in the second: P = 3/4, R = 1.
    score = generation.rouge_l(
        ["The mill is cheap"], examples(("a the mill was cheap", "is cheap"))
    )
    assert score == pytest.approx(100 * 2.44 * 0.75 / (1 + 1.44 * 0.75))
    assert generation.rouge_l(["", "x"], examples("a b", "x")) == 50


def test_one_meaning_is_scored_once_with_all_that_was_said_of_it():
    said = examples("It is cheap .", "Cheap it is .", "No .", groups=["m", "m", "n"])
    assert generation.rouge_l(["cheap it is .", "what", "yes"], said) == pytest.approx(50)


@pytest.mark.parametrize("metric", [generation.bleu, generation.chrf])
def test_an_exact_text_scores_100_and_an_empty_one_0(metric):
    pytest.importorskip("sacrebleu")
    expected = examples(("The mill is cheap and near .", "x"), "It serves French food today .")
    assert metric([one.answers[0] for one in expected], expected) == pytest.approx(100)
    assert metric(["", ""], expected) == pytest.approx(0)


def test_bleu_is_that_of_sacrebleu_with_as_many_references_as_each_input_has():
    sacrebleu = pytest.importorskip("sacrebleu")
    guess = ["the mill is a cheap place near the river", "it serves french food"]
    first = ["the mill is a cheap spot near the river", "it serves good french food"]
    second = ["near the river the mill is a cheap place", None]
    expected = examples((first[0], second[0]), first[1])
    theirs = sacrebleu.corpus_bleu(guess, [first, second]).score
    assert 0 < theirs < 100
    assert generation.bleu(guess, expected) == pytest.approx(theirs)
    apart = examples(first[0], second[0], first[1], groups=["a", "a", "b"])
    assert generation.bleu([guess[0], "junk", guess[1]], apart) == pytest.approx(theirs)


def test_bleu_worked_by_hand():
    pytest.importorskip("sacrebleu")
    # 1-grams 5/6, 2-grams 4/5, 3-grams 3/4, 4-grams 2/3; as long as the reference.
    score = generation.bleu(["a b c d e x"], examples("a b c d e f"))
    assert score == pytest.approx(100 * (5 / 6 * 4 / 5 * 3 / 4 * 2 / 3) ** 0.25)
