"""Scores from 0 to 100 of written text against one or more texts that people wrote.

Rows of one non-empty group have the same input: the first prediction counts, against the answers of
all of them, as in the E2E challenge.
"""

from collections.abc import Sequence
from typing import Any

from tasks.task import Example

BETA = 1.2  # recall counts so many times as precision: coco-caption, which E2E is scored with


def bleu(predictions: Sequence[str], examples: Sequence[Example]) -> float:
    """Return the BLEU of the whole set, sacrebleu's defaults (13a, exponential smoothing)."""
    from sacrebleu import BLEU

    guesses, references = _by_group(predictions, examples)
    return float(BLEU().corpus_score(guesses, _columns(references)).score)


def chrf(predictions: Sequence[str], examples: Sequence[Example]) -> float:
    """Return chrF of the whole set, sacrebleu's defaults (6 characters, beta 2)."""
    from sacrebleu import CHRF

    guesses, references = _by_group(predictions, examples)
    return float(CHRF().corpus_score(guesses, _columns(references)).score)


def rouge_l(predictions: Sequence[str], examples: Sequence[Example]) -> float:
    """Return the mean ROUGE-L over the inputs; words are what blanks divide, in lower case.

    The best precision and the best recall over the references, Lin 2004, with beta 1.2.
    """
    guesses, references = _by_group(predictions, examples)
    scores = [_rouge_l(guess, those) for guess, those in zip(guesses, references, strict=True)]
    return 100 * sum(scores) / len(scores)


def _by_group(
    predictions: Sequence[str], examples: Sequence[Example]
) -> tuple[list[str], list[list[str]]]:
    found: dict[str | int, tuple[str, dict[str, None]]] = {}
    for at, (prediction, example) in enumerate(zip(predictions, examples, strict=True)):
        _, answers = found.setdefault(example.group or at, (prediction, {}))
        answers.update(dict.fromkeys(example.answers))
    return [guess for guess, _ in found.values()], [list(those) for _, those in found.values()]


def _columns(references: Sequence[Sequence[str]]) -> list[list[Any]]:
    # As sacrebleu wants them: the first reference of every row, the second of every row, ... and
    # None where a row has fewer, of which its types do not know.
    most = max(map(len, references))
    return [[those[at] if at < len(those) else None for those in references] for at in range(most)]


def _rouge_l(guess: str, references: Sequence[str]) -> float:
    words = guess.lower().split()
    if not words:
        return 0.0
    wanted = [reference.lower().split() for reference in references]
    shared = [_longest_common(words, one) for one in wanted]
    precision = max(shared) / len(words)
    recall = max(count / max(len(one), 1) for count, one in zip(shared, wanted, strict=True))
    if not precision * recall:
        return 0.0
    return (1 + BETA**2) * precision * recall / (recall + BETA**2 * precision)


def _longest_common(one: Sequence[str], other: Sequence[str]) -> int:
    best = [0] * (len(other) + 1)  # of the words of `one` read so far and the first n of `other`
    for word in one:
        before = best
        best = [0]
        for at, their in enumerate(other):
            best.append(before[at] + 1 if word == their else max(before[at + 1], best[at]))
    return best[-1]
