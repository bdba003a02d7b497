"""Scores against scikit-learn, scipy and cases worked by hand."""

import math
import warnings
from random import Random

import pytest
from scipy import stats
from sklearn import metrics as sklearn

import tasks
from tasks import metrics
from tasks.task import Example


def examples(*answers, groups=None):
    groups = groups or [""] * len(answers)
    return [
        Example("", (answer,) if isinstance(answer, str) else answer, group)
        for answer, group in zip(answers, groups, strict=True)
    ]


def drawn(labels, count=200, seed=0):
    draw = Random(seed)
    return [draw.choice(labels) for _ in range(count)], [draw.choice(labels) for _ in range(count)]


QA = ("squad", "record", "naturalquestions", "hotpotqa", "searchqa", "newsqa")


def test_the_first_metric_is_the_one_that_tables_report():
    first = {task.name: next(iter(task.metrics)) for task in tasks.all_tasks()}
    others = {"stsb": "pearson", "multirc": "f1", "cola": "mcc", "ax": "mcc", "ax_b": "mcc"}
    others |= dict.fromkeys(QA, "f1") | {"e2e": "bleu", "webnlg": "bleu"}
    assert first == {name: others.get(name, "accuracy") for name in first}


def test_the_other_official_metrics_follow():
    seconds = {task.name: list(task.metrics)[1:] for task in tasks.all_tasks()}
    assert {name: rest for name, rest in seconds.items() if rest} == {
        "mrpc": ["f1"],
        "qqp": ["f1"],
        "stsb": ["spearman"],
        "cb": ["macro_f1"],
        "multirc": ["exact_match"],
        "ax_g": ["parity"],
        **{key: ["exact_match"] for key in QA},
        **{key: ["rouge_l", "chrf"] for key in ("e2e", "webnlg")},
    }


def scored_without_sacrebleu():
    return [task for task in tasks.all_tasks() if task.benchmark != "nlg"]


@pytest.mark.parametrize("task", scored_without_sacrebleu(), ids=lambda task: task.name)
def test_right_answers_score_100_and_no_answers_score_no_more_than_0(task):
    words = task.labels or ("0.2", "3.4")
    train = examples(*words, *words[::-1])
    right = [example.answers[0] for example in train]
    for name, metric in task.metrics.items():
        assert metric(right, train) == pytest.approx(100)
        if name != "parity":  # equal answers, right or wrong
            assert metric([""] * len(train), train) <= 0


def test_accuracy_accepts_any_right_answer_and_only_whole_ones():
    expected = examples("yes", ("no", "nope"), "yes", "no")
    assert metrics.accuracy(["yes", "nope", "Yes", ""], expected) == 50


def test_f1_equals_scikit_learn():
    truth, guess = drawn(["True", "False"])
    ours = metrics.f1("True", "False")(guess, examples(*truth))
    assert ours == pytest.approx(100 * sklearn.f1_score(truth, guess, pos_label="True"))


def test_f1_worked_by_hand_counts_an_invalid_answer_as_the_wrong_class():
    truth = examples("True", "True", "True", "False", "False")
    # Hits: 1. Missed: "maybe", "False". Wrongly positive: "True", and "maybe" on the last.
    guess = ["True", "maybe", "False", "True", "maybe"]
    assert metrics.f1("True", "False")(guess, truth) == pytest.approx(100 * 2 / (2 + 2 + 2))


def test_f1_without_a_positive_is_zero():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert metrics.f1("True", "False")(["False"], examples("False")) == 0


def test_matthews_equals_scikit_learn_and_the_formula():
    labels = ("unacceptable", "acceptable")
    truth, guess = drawn(labels, seed=1)
    ours = metrics.matthews(labels)(guess, examples(*truth))
    assert ours == pytest.approx(100 * sklearn.matthews_corrcoef(truth, guess))
    pairs = [(t == "acceptable", g == "acceptable") for t, g in zip(truth, guess, strict=True)]
    tp, fn, fp, tn = (pairs.count(p) for p in [(1, 1), (1, 0), (0, 1), (0, 0)])
    below = math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    assert ours == pytest.approx(100 * (tp * tn - fp * fn) / below)


def of_confusion(truth, guess):
    """Matthews' correlation of several classes, from the counts of each."""
    n, classes = len(truth), {*truth, *guess}
    right = sum(t == g for t, g in zip(truth, guess, strict=True))
    predicted, actual = ([some.count(one) for one in sorted(classes)] for some in (guess, truth))
    above = right * n - sum(p * a for p, a in zip(predicted, actual, strict=True))
    below = (n**2 - sum(p**2 for p in predicted)) * (n**2 - sum(a**2 for a in actual))
    return 100 * above / math.sqrt(below)


@pytest.mark.parametrize("labels", [("u", "a"), ("entailment", "neutral", "contradiction")])
def test_matthews_counts_all_answers_that_are_no_label_as_one_class_more_as_t5_does(labels):
    truth, guess = drawn(labels, seed=5)
    junk = [f"no {at}" if at % 7 == 0 else one for at, one in enumerate(guess)]
    ids = {word: at for at, word in enumerate(labels)}
    as_t5 = [ids.get(one, -1) for one in junk]
    ours = metrics.matthews(labels)(junk, examples(*truth))
    assert ours == pytest.approx(of_confusion([ids[one] for one in truth], as_t5))
    assert ours == pytest.approx(100 * sklearn.matthews_corrcoef([ids[t] for t in truth], as_t5))
    assert metrics.matthews(labels)(["?"] * len(truth), examples(*truth)) == 0
    assert metrics.matthews(labels)([labels[0]] * len(truth), examples(*truth)) == 0


def test_parity_counts_the_pairs_that_are_answered_alike():
    expected = examples("a", "a", "a", "b", "b", groups=["0", "0", "1", "1", "2"])
    assert metrics.parity(["a", "b", "b", "b", "a"], expected) == pytest.approx(200 / 3)
    assert metrics.parity(["?", "?", "b", "a", "b"], expected) == pytest.approx(200 / 3)


def test_macro_f1_equals_the_plain_mean_of_the_classes():
    labels = ("entailment", "contradiction", "neutral")
    truth, guess = drawn(labels, seed=2)
    each = [sklearn.f1_score([t == w for t in truth], [g == w for g in guess]) for w in labels]
    ours = metrics.macro_f1(labels)(guess, examples(*truth))
    assert ours == pytest.approx(100 * sum(each) / 3)


def test_macro_f1_worked_by_hand_with_an_answer_that_is_no_label():
    truth = examples("e", "c", "n", "n")
    # e: 1 hit; c: the only one is missed; n: 1 hit, 1 missed, nothing wrongly called n.
    mean = (1 + 0 + 2 / 3) / 3
    assert metrics.macro_f1(("e", "c", "n"))(["e", "what", "n", ""], truth) == pytest.approx(
        100 * mean
    )


def test_an_answer_that_is_no_label_never_counts_as_the_first_label():
    for name in ("cb", "mnli", "rte"):
        task = tasks.get(name)
        assert task.metrics["accuracy"](["no idea"], examples(task.labels[0])) == 0


def test_correlations_equal_scipy():
    draw = Random(3)
    truth = [f"{draw.randint(0, 25) / 5:.1f}" for _ in range(100)]
    guess = [f"{draw.randint(0, 25) / 5:.1f}" for _ in range(100)]
    x, y = [float(g) for g in guess], [float(t) for t in truth]
    expected = examples(*truth)
    assert metrics.pearson(guess, expected) == pytest.approx(100 * stats.pearsonr(x, y)[0])
    assert metrics.spearman(guess, expected) == pytest.approx(100 * stats.spearmanr(x, y)[0])


@pytest.mark.parametrize("metric", [metrics.pearson, metrics.spearman])
@pytest.mark.parametrize("junk", ["", "high", "nan", "inf", "-inf", "1e999"])
def test_an_answer_that_is_no_number_counts_as_minus_one(metric, junk):
    expected = examples("0.0", "2.0", "5.0")
    assert metric(["1.0", "2.5", junk], expected) == metric(["1.0", "2.5", "-1.0"], expected)


@pytest.mark.parametrize("metric", [metrics.pearson, metrics.spearman])
def test_a_correlation_that_is_not_defined_is_zero(metric):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert metric(["0.1"] * 3, examples("0.0", "2.0", "5.0")) == 0
        assert metric(["1.0", "2.0"], examples("3.0", "3.0")) == 0
        assert metric(["1.0"], examples("1.0")) == 0
    assert metrics.pearson(["1e300", "-1e300"], examples("1.0", "2.0")) == 0


def test_multirc_exact_match_wants_a_whole_question_right():
    expected = examples("True", "False", "True", "True", groups=["1", "1", "2", "2"])
    assert metrics.group_match(["True", "False", "True", "False"], expected) == 50
    assert metrics.group_match(["True", "", "True", "True"], expected) == 50
    loose = examples("True", "False", "True", groups=["", "", "9"])
    assert metrics.group_match(["True", "True", "True"], loose) == pytest.approx(200 / 3)


def test_multirc_f1_is_over_all_answers_whatever_their_question():
    truth, guess = drawn(["True", "False"], seed=4)
    expected = examples(*truth, groups=[str(at // 5) for at in range(200)])
    ours = tasks.get("multirc").metrics["f1"](guess, expected)
    assert ours == pytest.approx(100 * sklearn.f1_score(truth, guess, pos_label="True"))


@pytest.mark.parametrize(
    ("raw", "normal"),
    [("The  U.S.", "us"), ("an apple, a day", "apple day"), ("theatre", "theatre"), ("A.", "")],
)
def test_squad_normalisation(raw, normal):
    assert metrics.normalise(raw) == normal


def test_squad_scores_take_the_best_answer():
    expected = examples(("Denver Broncos", "the Broncos"), ("in 1999", "1999"))
    guess = ["Broncos!", "since 1999 or so"]
    assert metrics.exact_match(guess, expected) == 50
    # Words: broncos/broncos 1; of 4 and 1 words 1 is shared: 2/5; of 4 and 2 words 1: 2/6.
    assert metrics.token_f1(guess, expected) == pytest.approx(100 * (1 + 2 / 5) / 2)


def test_word_overlap_counts_repeated_words_as_often_as_both_have_them():
    assert metrics.token_f1(["x x y"], examples("x z")) == pytest.approx(100 * 2 / 5)
    assert metrics.token_f1(["the"], examples("a")) == 0  # nothing is left of either
    assert metrics.exact_match(["the"], examples("a")) == 100


def test_a_record_query_that_occurs_twice_counts_once():
    both = ("Bob", "Ann")
    expected = examples(both, both, "Eve", groups=["1-1", "1-1", "1-2"])
    assert metrics.exact_match(["Bob", "Zoe", "Max"], expected) == 50
    assert metrics.token_f1(["Zoe", "Bob", "Eve"], expected) == 50


@pytest.mark.parametrize("metric", [metrics.accuracy, metrics.group_match, metrics.token_f1])
def test_predictions_and_examples_must_be_as_many(metric):
    with pytest.raises(ValueError, match="zip"):
        metric(["a"], examples("a", "b"))


def test_majority_is_the_commonest_training_answer():
    rte, stsb = tasks.get("rte"), tasks.get("stsb")
    train = examples("not_entailment", "entailment", "not_entailment")
    assert metrics.majority(rte, train, examples("entailment", "?")) == ["not_entailment"] * 2
    tie = examples("not_entailment", "entailment")
    assert metrics.majority(rte, tie, tie) == metrics.majority(rte, tie[::-1], tie)
    assert metrics.majority(stsb, examples("3.0", "1.0", "3.0"), tie) == ["3.0", "3.0"]
