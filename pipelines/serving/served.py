"""Prompts of lineage that are to be served, and what must be so for one server to hold them."""

from collections.abc import Sequence
from dataclasses import dataclass

from mpt.peft_format import AnyPrompt, unpack
from pipelines.records import BackboneInfo
from pipelines.registration import Candidate
from pipelines.serving.card import Card, PromptCard, parts_of
from pipelines.store import Store


class NotTogether(ValueError):
    """One server is to hold prompts that differ in what a server has once."""

    def __init__(self, what: str, one: object, other: object) -> None:
        super().__init__(
            f"a server has one {what}, and these prompts were trained with {one} and {other}: "
            "serve them apart"
        )


@dataclass(frozen=True)
class Served:
    """A prompt, and all that a server has to know of it."""

    card: PromptCard
    prompt: AnyPrompt
    backbone: BackboneInfo
    precision: str


def served(candidates: Sequence[Candidate], store: Store) -> Served:
    """Return a prompt of lineage, for each of the tasks that it was made for.

    Raises:
        UnknownTask: this version does not know one of them.
        MissingContent, CorruptContent: the store does not have it as it was made.
    """
    first = candidates[0]
    prompt = unpack(store.get(first.prompt_sha))
    length, hidden = prompt.task(0).shape
    card = PromptCard.model_validate(
        {
            "sha256": first.prompt_sha,
            "kind": first.kind,
            "num_tokens": length,
            "hidden_size": hidden,
            "parts": [part for one in candidates for part in parts_of(one)],
        }
    )
    precision = _only("precision", [one.run.spec.get("precision", "float32") for one in candidates])
    return Served(card, prompt, first.backbone, precision)


def together(prompts: Sequence[Served]) -> Card:
    """Return the card of one server with all of `prompts`.

    Raises:
        NotTogether: they are of several backbones, or of several precisions.
    """
    shas = {f"{one.backbone.name} ({one.backbone.sha[:8]})": one.backbone for one in prompts}
    backbone = shas[_only("backbone", list(shas))]
    return Card.model_validate(
        {
            "backbone": backbone.name,
            "backbone_sha256": backbone.sha,
            "precision": _only("precision", [one.precision for one in prompts]),
            "prompts": [one.card for one in prompts],
        }
    )


def _only(what: str, found: Sequence[str]) -> str:
    """Return the one value that there is."""
    different = list(dict.fromkeys(found))
    if len(different) > 1:
        raise NotTogether(what, *different[:2])
    return different[0]
