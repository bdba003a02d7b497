"""Scores from 0 to 100, computed on answer texts.

A text that is no label is wrong; it is never read as some label. Where F1 needs a class for it, it
counts as the class that is wrong: `f1_score_with_invalid` of T5, t5/evaluation/metrics.py.
"""

import math
import re
import string
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

from tasks.task import Example, Metric, Task

UNPARSABLE = -1.0  # what an answer that is no number counts as: T5, t5/data/postprocessors.py
PUNCTUATION = str.maketrans("", "", string.punctuation)


def accuracy(predictions: Sequence[str], examples: Sequence[Example]) -> float:
    """Return the percentage of predictions that are one of the right answers."""
    return _percent([p in e.answers for p, e in zip(predictions, examples, strict=True)])


def f1(positive: str, negative: str) -> Metric:
    """Return the F1 score of the class `positive`."""

    def score(predictions: Sequence[str], examples: Sequence[Example]) -> float:
        from sklearn.metrics import f1_score

        truth, guess = _two_classes(predictions, examples, positive, negative)
        return 100 * float(f1_score(truth, guess, zero_division=0.0))

    return score


def matthews(labels: Sequence[str]) -> Metric:
    """Return Matthews' correlation of any number of classes (R_K); 0 where it is not defined.

    All answers that are no label are one class more, which is never right: T5's class -1.
    """

    def score(predictions: Sequence[str], examples: Sequence[Example]) -> float:
        from sklearn.metrics import matthews_corrcoef

        said = [one if one in labels else "" for one in predictions]
        return 100 * float(matthews_corrcoef([one.answers[0] for one in examples], said))

    return score


def macro_f1(labels: Sequence[str]) -> Metric:
    """Return the plain mean of the F1 scores of all `labels`."""

    def score(predictions: Sequence[str], examples: Sequence[Example]) -> float:
        from sklearn.metrics import f1_score

        truth = [example.answers[0] for example in examples]
        mean = f1_score(truth, predictions, labels=labels, average="macro", zero_division=0.0)
        return 100 * float(mean)

    return score


def pearson(predictions: Sequence[str], examples: Sequence[Example]) -> float:
    """Return Pearson's correlation of numbers written as text; 0 where it is not defined."""
    return _correlation(*_numbers(predictions, examples))


def spearman(predictions: Sequence[str], examples: Sequence[Example]) -> float:
    """Return Spearman's rank correlation, ties sharing their mean rank; 0 if not defined."""
    from scipy.stats import rankdata

    guess, truth = _numbers(predictions, examples)
    return _correlation(rankdata(guess).tolist(), rankdata(truth).tolist())


def group_match(predictions: Sequence[str], examples: Sequence[Example]) -> float:
    """Return the percentage of groups with every prediction right: MultiRC's EM."""
    right: defaultdict[str | int, list[bool]] = defaultdict(list)
    for at, (prediction, example) in enumerate(zip(predictions, examples, strict=True)):
        right[example.group or at].append(prediction in example.answers)
    return _percent([all(hits) for hits in right.values()])


def parity(predictions: Sequence[str], examples: Sequence[Example]) -> float:
    """Return the percentage of groups answered all alike: AX-g's gender parity, of pairs."""
    said: defaultdict[str | int, set[str]] = defaultdict(set)
    for at, (prediction, example) in enumerate(zip(predictions, examples, strict=True)):
        said[example.group or at].add(prediction)
    return _percent([len(answers) == 1 for answers in said.values()])


def exact_match(predictions: Sequence[str], examples: Sequence[Example]) -> float:
    """Return SQuAD's exact match: equal to some answer once both are normalised."""
    return _best_of_answers(lambda guess, answer: float(guess == answer), predictions, examples)


def token_f1(predictions: Sequence[str], examples: Sequence[Example]) -> float:
    """Return SQuAD's F1: overlap of words with the best answer, both normalised."""
    return _best_of_answers(_overlap, predictions, examples)


def normalise(text: str) -> str:
    """Lower the case; drop punctuation, articles and extra blanks: SQuAD's evaluate-v1.1.py."""
    bare = text.lower().translate(PUNCTUATION)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", bare).split())


def majority(task: Task, train: Sequence[Example], test: Sequence[Example]) -> list[str]:
    """Return the most common training answer, once for each test example."""
    counts = Counter(example.answers[0] for example in train)
    # Of equally common answers, the first label: the order of the rows must not decide.
    commonest = max(task.labels or sorted(counts), key=counts.__getitem__)
    return [commonest] * len(test)


def _percent(hits: Sequence[bool]) -> float:
    return 100 * sum(hits) / len(hits)


def _two_classes(
    predictions: Sequence[str], examples: Sequence[Example], positive: str, negative: str
) -> tuple[list[bool], list[bool]]:
    truth = [example.answers[0] == positive for example in examples]
    guess = [
        prediction == positive if prediction in (positive, negative) else not right
        for prediction, right in zip(predictions, truth, strict=True)
    ]
    return truth, guess


def _numbers(
    predictions: Sequence[str], examples: Sequence[Example]
) -> tuple[list[float], list[float]]:
    truth = [float(example.answers[0]) for example in examples]
    return [_number(prediction) for prediction in predictions], truth


def _number(prediction: str) -> float:
    try:
        value = float(prediction)
    except ValueError:
        return UNPARSABLE
    return value if math.isfinite(value) else UNPARSABLE


def _correlation(guess: Sequence[float], truth: Sequence[float]) -> float:
    import numpy as np

    if min(len(set(guess)), len(set(truth))) < 2:
        return 0.0  # a constant correlates with nothing; rounding could make it seem to
    with np.errstate(all="ignore"):  # an absurdly large answer overflows: 0, like any NaN
        score = float(np.corrcoef(guess, truth)[0, 1])
    return 100 * score if math.isfinite(score) else 0.0


def _best_of_answers(
    score: Callable[[str, str], float], predictions: Sequence[str], examples: Sequence[Example]
) -> float:
    # Of a ReCoRD query that occurs once per answer, T5 counts the first: `deduplicate_metric`.
    best: dict[str | int, float] = {}
    for at, (prediction, example) in enumerate(zip(predictions, examples, strict=True)):
        if (key := example.group or at) not in best:
            guess = normalise(prediction)
            best[key] = max(score(guess, normalise(answer)) for answer in example.answers)
    return 100 * sum(best.values()) / len(best)


def _overlap(guess: str, answer: str) -> float:
    words, wanted = guess.split(), answer.split()
    shared = (Counter(words) & Counter(wanted)).total()
    return 2 * shared / (len(words) + len(wanted)) if shared else 0.0
