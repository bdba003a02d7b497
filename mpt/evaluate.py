"""Answers under prompts: the best of a set of labels, or free text. Shapes: mpt.prompt."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from mpt.backbone import Front, Reader, Reading
from mpt.encoding import Encoded, mixed_batch

Answers = Tensor | list[str]
"""Of labels, the log-probability of each, [N, labels], float64 on the CPU; or texts."""
Draws = list[tuple[int, int]]
"""Which rows of which parts are in a batch."""


class Asked(NamedTuple):
    """Rows that stand behind one prompt, and how they are answered."""

    rows: Encoded  # their answers are not looked at
    labels: tuple[str, ...]  # what can be answered; () is free text
    max_answer: int = 0  # tokens of a free text, with EOS


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
    front = backbone.prepare([] if prompt is None else [prompt])
    (scores,) = answer_all(backbone, front, [Asked(encoded, tuple(labels))], batch_size)
    assert isinstance(scores, Tensor), "labels are scored"
    return scores.float()


def decode(
    backbone: Reader,
    prompt: Tensor | None,
    encoded: Encoded,
    max_answer: int,
    batch_size: int,
) -> list[str]:
    """Return the greedy answer to each example, of at most `max_answer` tokens with EOS."""
    front = backbone.prepare([] if prompt is None else [prompt])
    (texts,) = answer_all(backbone, front, [Asked(encoded, (), max_answer)], batch_size)
    assert isinstance(texts, list), "free text is written"
    return texts


def answer_all(
    backbone: Reader, front: Front, asked: Sequence[Asked], batch_size: int
) -> list[Answers]:
    """Return the answers to rows behind several prompts, read in mixed batches.

    Each row's answer is the one that it has alone behind its own prompt.

    Args:
        backbone: what answers.
        front: what it prepared of the prompts, one for each of `asked`, or of none.
        asked: the rows behind each prompt.
        batch_size: how many rows at once, of all prompts together.
    """
    ids = {one.labels: backbone.label_ids(one.labels) for one in asked if one.labels}
    found: list[Answers] = [
        torch.zeros(len(one.rows), len(one.labels), dtype=torch.float64)
        if one.labels
        else [""] * len(one.rows)
        for one in asked
    ]
    for drawn, reading in _readings(backbone, front, [one.rows for one in asked], batch_size):
        for (labels, max_answer), places in _alike(asked, drawn).items():
            # What was read together is answered in parts, since labels and lengths differ.
            part = reading
            if len(places) < len(drawn):
                part = reading.take(torch.tensor(places, device=backbone.device))
            said = (
                backbone.score(part, ids[labels]).to("cpu", torch.float64)
                if labels
                else backbone.write(part, max_answer)
            )
            for place, answer in zip(places, said, strict=True):
                k, row = drawn[place]
                found[k][row] = answer
    return found


def _alike(asked: Sequence[Asked], drawn: Draws) -> dict[tuple[tuple[str, ...], int], list[int]]:
    """Return the places of the rows of a batch that are answered in the same way."""
    found: dict[tuple[tuple[str, ...], int], list[int]] = {}
    for place, (k, _) in enumerate(drawn):
        found.setdefault(asked[k][1:], []).append(place)
    return found


def _readings(
    backbone: Reader, front: Front, parts: Sequence[Encoded], batch_size: int
) -> Iterator[tuple[Draws, Reading]]:
    # Longest first: little padding, and a batch that does not fit in memory is the first one.
    rows = [
        (k, row, length) for k, one in enumerate(parts) for row, length in enumerate(one.lengths())
    ]
    rows.sort(key=lambda one: -one[2])
    for start in range(0, len(rows), batch_size):
        drawn = [(k, row) for k, row, _ in rows[start : start + batch_size]]
        yield drawn, backbone.read(front, mixed_batch(parts, drawn, backbone.device))
