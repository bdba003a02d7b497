"""Rows in, answers out: prompts of one backbone, in mixed batches. Shapes: mpt.prompt."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from threading import Lock
from typing import NamedTuple

from mpt.backbone import Backbone
from mpt.evaluate import Answers, Asked, answer_all
from mpt.peft_format import AnyPrompt
from pipelines.serving.card import Card
from pipelines.serving.naming import PROMPT, Names, UnknownName
from pipelines.serving.parts import Part, open_parts
from tasks import Row
from tasks.own.files import is_text
from tasks.rows import BadCell
from tasks.unlabelled import ask

CHUNK = 512  # rows between two turns: a short request need not wait for the end of a long one


class BadRows(ValueError):
    """Rows cannot be answered; then none of them is."""

    def __init__(self, problem: object, row: int = 0) -> None:
        super().__init__(f"row {row}: {problem}" if row else str(problem))


class OtherBackbone(ValueError):
    """A server has another backbone than its prompts were trained in front of."""

    def __init__(self, card: Card, backbone: Backbone) -> None:
        super().__init__(
            f"these prompts were trained for the backbone {card.backbone!r} with the digest "
            f"{card.backbone_sha256[:12]}, and the one that was opened has {backbone.digest[:12]}: "
            "open that one"
        )


class Question(NamedTuple):
    """What a row asks."""

    part: int
    text: str


class Answer(NamedTuple):
    """What a prompt answers to a row."""

    label: str
    """The most probable label, or free text."""
    probabilities: dict[str, float] | None
    """Of each label: exp(log-probability) over their sum. None of free text."""


class Predictor:
    """Prompts of one backbone. Several threads may ask at once; they take turns.

    Args:
        card: what is said of the prompts.
        prompts: each of them, by its digest.
        backbone: the frozen model.
        batch_size: rows at once.

    Raises:
        OtherBackbone: they were trained for another one.
        NoFit: a prompt is not what the card says.
        UnknownTask, OtherReading: a task is not here, or another one by now.
        PromptColumn: one of several tasks has a column that is to name the prompt.
    """

    def __init__(
        self, card: Card, prompts: Mapping[str, AnyPrompt], backbone: Backbone, batch_size: int = 64
    ) -> None:
        if backbone.digest != card.backbone_sha256:
            raise OtherBackbone(card, backbone)
        self.backbone, self.batch_size = backbone, batch_size
        self.parts = open_parts(card, prompts)
        self.names = Names([(one.prompt, one.task.name) for one in self.parts])
        self._named = card.rows_name_prompts()
        self._front = backbone.prepare([one.tokens for one in self.parts])
        self._turn = Lock()

    def read(self, rows: Iterable[Row]) -> list[Question]:
        """Return what `rows` ask; all of them are looked at before any is answered.

        Raises:
            BadRows: there are none, or one of them cannot be answered.
        """
        found = [self._question(row, number) for number, row in enumerate(rows, 1)]
        if not found:
            columns = dict.fromkeys(name for part in self.parts for name in part.columns)
            raise BadRows(
                f"there are no rows with columns that are read here: {', '.join(columns)}"
            )
        return found

    def answer(self, questions: Sequence[Question]) -> Iterator[list[Answer]]:
        """Yield the answers, in order, some at a time."""
        for start in range(0, len(questions), CHUNK):
            with self._turn:
                answers = self._answer(questions[start : start + CHUNK])
            yield answers

    def _question(self, row: Row, number: int) -> Question:
        place = self._place(row, number)
        part = self.parts[place]
        if lacking := [name for name in part.columns if name not in row]:
            raise BadRows(
                f"it has no column {', '.join(lacking)}; {part.task.name!r} needs it (it has "
                f"{', '.join(map(str, row)) or 'none'})", number,
            )  # fmt: skip
        try:
            text = ask(part.task, row)
        except BadCell as error:
            raise BadRows(error, number) from None
        if not is_text(text):
            raise BadRows("it holds half characters, which no tokenizer takes", number)
        return Question(place, text)

    def _place(self, row: Row, number: int) -> int:
        named = row.get(PROMPT) if self._named else None
        if named in (None, ""):
            if len(self.parts) == 1:
                return 0
            names = ", ".join(self.names.shortest())
            raise BadRows(f"which prompt? Give a column {PROMPT!r} with one of {names}", number)
        try:
            return self.names.place(str(named))
        except UnknownName as error:
            raise BadRows(error, number) from None

    def _answer(self, questions: Sequence[Question]) -> list[Answer]:
        places: list[list[int]] = [[] for _ in self.parts]
        for at, question in enumerate(questions):
            places[question.part].append(at)
        asked = [
            Asked(
                part.encode(self.backbone, [questions[at].text for at in mine]),
                part.task.labels, part.max_answer,
            )
            for part, mine in zip(self.parts, places, strict=True)
        ]  # fmt: skip
        found = answer_all(self.backbone, self._front, asked, self.batch_size)
        answers: dict[int, Answer] = {}
        for part, mine, said in zip(self.parts, places, found, strict=True):
            answers |= zip(mine, _said(part, said), strict=True)
        return [answers[at] for at in range(len(questions))]


def _said(part: Part, answers: Answers) -> list[Answer]:
    if isinstance(answers, list):
        return [Answer(text, None) for text in answers]
    labels = part.task.labels
    best, probabilities = answers.argmax(dim=1).tolist(), answers.softmax(dim=1).tolist()
    return [
        Answer(labels[at], dict(zip(labels, those, strict=True)))
        for at, those in zip(best, probabilities, strict=True)
    ]
