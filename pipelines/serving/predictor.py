"""Answers to rows: prompts of one backbone, in mixed batches. Shapes: mpt.prompt."""

from collections.abc import Iterator, Sequence
from threading import Lock
from typing import NamedTuple

from mpt.backbone import Backbone
from mpt.evaluate import Answers, Asked, answer_all
from pipelines.serving.card import Card
from pipelines.serving.parts import Part
from pipelines.serving.row_reader import Question

CHUNK = 512  # rows between two turns: a short request need not wait for the end of a long one


class OtherBackbone(ValueError):
    """A server has another backbone than its prompts were trained in front of."""

    def __init__(self, card: Card, backbone: Backbone) -> None:
        super().__init__(
            f"these prompts were trained for the backbone {card.backbone!r} with the digest "
            f"{card.backbone_sha256[:12]}, and the one that was opened has {backbone.digest[:12]}: "
            "open that one"
        )


class Answer(NamedTuple):
    """What a prompt answers to a row."""

    label: str
    """The most probable label, or free text."""
    probabilities: dict[str, float] | None
    """The softmax over the labels' log-probabilities, of `mpt.evaluate`; None of free text."""


class Predictor:
    """Prompts of one backbone. Several threads may ask at once; they take turns.

    Args:
        card: what is said of the prompts.
        parts: all that they answer.
        backbone: the frozen model.
        batch_size: rows at once.

    Raises:
        OtherBackbone: they were trained for another one.
    """

    def __init__(
        self, card: Card, parts: Sequence[Part], backbone: Backbone, batch_size: int = 64
    ) -> None:
        if backbone.digest != card.backbone_sha256:
            raise OtherBackbone(card, backbone)
        self.parts, self.backbone, self.batch_size = parts, backbone, batch_size
        self._front = backbone.prepare([one.tokens for one in parts])
        self._turn = Lock()

    def answer(self, questions: Sequence[Question]) -> Iterator[list[Answer]]:
        """Yield the answers, in order, some at a time."""
        for start in range(0, len(questions), CHUNK):
            with self._turn:
                answers = self._answer(questions[start : start + CHUNK])
            yield answers

    def _answer(self, questions: Sequence[Question]) -> list[Answer]:
        places: list[list[int]] = [[] for _ in self.parts]
        for at, question in enumerate(questions):
            places[question.part].append(at)
        asked = [
            Asked(
                part.encode(self.backbone, [questions[at].text for at in mine]),
                part.task.labels,
                part.max_answer,
            )
            for part, mine in zip(self.parts, places, strict=True)
        ]
        found = answer_all(self.backbone, self._front, asked, self.batch_size)
        answers: dict[int, Answer] = {}
        for part, mine, said in zip(self.parts, places, found, strict=True):
            answers |= zip(mine, _told(part, said), strict=True)
        return [answers[at] for at in range(len(questions))]


def _told(part: Part, answers: Answers) -> list[Answer]:
    if isinstance(answers, list):
        return [Answer(text, None) for text in answers]
    labels = part.task.labels
    best, shares = answers.argmax(dim=1).tolist(), answers.softmax(dim=1).tolist()
    return [
        Answer(labels[at], dict(zip(labels, those, strict=True)))
        for at, those in zip(best, shares, strict=True)
    ]
