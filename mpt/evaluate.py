"""Answers under a prompt: the best of a set of labels, or free text. Shapes: mpt.prompt."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from mpt.backbone import Reader, Reading
from mpt.encoding import Encoded


def rank(
    backbone: Reader,
    prompt: Tensor | None,
    encoded: Encoded,
    labels: Sequence[str],
    batch_size: int,
) -> list[str]:
    """Return, for each example, the label that the backbone finds most probable.

    Args:
        backbone: what answers: a frozen model, or a baseline.
        prompt: what it reads before the input, [P, H], or nothing.
        encoded: the examples; their answers are not looked at.
        labels: what can be answered; of equally probable ones the first is taken.
        batch_size: how many examples at once.
    """
    best = label_scores(backbone, prompt, encoded, labels, batch_size).argmax(dim=1)
    return [labels[i] for i in best.tolist()]


def label_scores(
    backbone: Reader,
    prompt: Tensor | None,
    encoded: Encoded,
    labels: Sequence[str],
    batch_size: int,
) -> Tensor:
    """Return the log-probability of each label after each example, [N, labels], on the CPU.

    It is the sum over the label's tokens (for a T5, and EOS), in nats.
    """
    ids = backbone.label_ids(labels)
    scores = torch.zeros(len(encoded), len(labels))
    for rows, reading in _readings(backbone, prompt, encoded, batch_size):
        scores[rows] = backbone.score(reading, ids).to("cpu", torch.float32)
    return scores


def decode(
    backbone: Reader,
    prompt: Tensor | None,
    encoded: Encoded,
    max_answer: int,
    batch_size: int,
) -> list[str]:
    """Return the greedy answer to each example, of at most `max_answer` tokens with EOS."""
    answers = [""] * len(encoded)
    for rows, reading in _readings(backbone, prompt, encoded, batch_size):
        for row, answer in zip(rows, backbone.write(reading, max_answer), strict=True):
            answers[row] = answer
    return answers


def _readings(
    backbone: Reader, prompt: Tensor | None, encoded: Encoded, batch_size: int
) -> Iterator[tuple[list[int], Reading]]:
    # Longest first: little padding, and a batch that does not fit in memory is the first one.
    lengths = encoded.lengths()
    order = sorted(range(len(encoded)), key=lambda row: -lengths[row])
    front = backbone.prepare(prompt)
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        batch = encoded.batch(rows, [0] * len(rows), backbone.device)
        yield rows, backbone.read(front, batch.input_ids, batch.mask)
