"""A prompt's tasks, as rows are read and answered for each. Shapes: mpt.prompt."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from mpt.backbone import Backbone
from mpt.decoder_only import DecoderOnly
from mpt.encoding import Encoded
from mpt.peft_format import AnyPrompt
from mpt.prompt import MultitaskPrompt
from pipelines.serving.card import Card, PromptCard
from tasks import Task
from tasks.unlabelled import columns

UNSEEN = "yes"  # stands where free text will be; nothing reads it


class NoFit(ValueError):
    """A prompt is not what is said of it."""

    def __init__(self, card: PromptCard, said: object, found: object) -> None:
        super().__init__(
            f"prompt {card.sha256[:12]} is not the one that this model is said to hold: it should "
            f"be {said}, and is {found}; take its folder anew from where it came from"
        )


@dataclass(frozen=True)
class Part:
    """One task that a prompt answers."""

    prompt: str
    """Its digest."""
    task: Task
    tokens: Tensor  # [P, H]
    max_input: int
    max_answer: int
    behind_context: bool
    """Whether inputs follow the examples of a context, and so do not begin a text."""

    @property
    def columns(self) -> tuple[str, ...]:
        """What a row must have."""
        return columns(self.task)

    def encode(self, backbone: Backbone, texts: Sequence[str]) -> Encoded:
        """Tokenise what rows ask, as in training."""
        answers = [self.task.labels[0] if self.task.labels else UNSEEN] * len(texts)
        if self.behind_context:
            assert isinstance(backbone, DecoderOnly), "a context was trained for no other"
            return backbone.encode_next(texts, answers, self.max_input, self.max_answer)
        return backbone.encode(texts, answers, self.max_input, self.max_answer)


def open_parts(card: Card, prompts: Mapping[str, AnyPrompt]) -> list[Part]:
    """Return all tasks of all prompts of a card.

    Raises:
        NoFit: a prompt has another shape, or fewer tasks.
        UnknownTask, OtherReading: a task is not here, or another one by now.
    """
    return [part for one in card.prompts for part in _parts(one, prompts[one.sha256])]


def _parts(card: PromptCard, prompt: AnyPrompt) -> list[Part]:
    count = prompt.num_tasks if isinstance(prompt, MultitaskPrompt) else 1
    said, found = (card.num_tokens, card.hidden_size), tuple(prompt.task(0).shape)
    if said != found:
        raise NoFit(card, "of shape {} by {}".format(*said), "{} by {}".format(*found))
    if (wanted := 1 + max(one.place for one in card.parts)) > count:
        raise NoFit(card, f"for {wanted} tasks or more", f"for {count}")
    return [
        Part(
            prompt=card.sha256, task=one.open(), tokens=prompt.task(one.place).detach(),
            max_input=one.max_input, max_answer=one.max_answer,
            behind_context=card.kind == "context",
        )
        for one in card.parts
    ]  # fmt: skip
