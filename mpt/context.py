"""A few examples as one text, and what each of its tokens is: words, format or label.

Blau et al. 2024, arXiv 2410.17222, section 3: CPT moves an example's words and its format within
balls of different radii, and leaves its label alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import torch
from torch import Tensor

from mpt.decoder_only import DecoderOnly
from mpt.text_form import ANSWER, END, MergedLabel

OUTSIDE = -1  # the example of a token that belongs to none


class Role(IntEnum):
    """What a token is in its example; the numbers are those of PEFT's masks, but for the label."""

    NONE = 0
    INPUT_FORMAT = 1
    INPUT = 2
    OUTPUT_FORMAT = 3
    LABEL = 4


class SameFirstToken(ValueError):
    """Two label words begin with the same token."""

    def __init__(self, one: str, other: str) -> None:
        super().__init__(
            f"the labels {one!r} and {other!r} begin with the same token: the first token of an "
            "answer would not tell them apart; use other label words"
        )


class Shot(NamedTuple):
    """One example of a context."""

    text: str
    """Its input, as it reads."""
    fields: Sequence[tuple[int, int]]
    """Where in `text` its own words stand, by characters; the rest is format. () is all words."""
    label: str


@dataclass(frozen=True)
class Context:
    """The tokens of some examples, one after another."""

    ids: Tensor  # int64 [C]
    roles: Tensor  # int64 [C], of Role
    examples: Tensor  # int64 [C], which example a token belongs to, or OUTSIDE

    @property
    def num_examples(self) -> int:
        """How many examples there are."""
        return int(self.examples.max()) + 1


def build(backbone: DecoderOnly, shots: Sequence[Shot]) -> Context:
    """Return the context that `shots` make, after what begins a text.

    Raises:
        MergedLabel: the tokenizer makes one token of a label and of what stands beside it.
    """
    ids = list(backbone.begin)
    roles, examples = [Role.NONE] * len(ids), [OUTSIDE] * len(ids)
    for at, shot in enumerate(shots):
        found = _tokens(backbone, shot)
        ids += [token for token, _ in found]
        roles += [role for _, role in found]
        examples += [at] * len(found)
    return Context(torch.tensor(ids), torch.tensor(roles), torch.tensor(examples))


def check_first_tokens(backbone: DecoderOnly, labels: Sequence[str]) -> None:
    """Refuse labels that cannot be told apart by their first token.

    Raises:
        SameFirstToken: two begin alike.
    """
    seen: dict[int, str] = {}
    for label, ids in zip(labels, backbone.label_ids(labels), strict=True):
        if (other := seen.setdefault(ids[0], label)) != label:
            raise SameFirstToken(other, label)


def _tokens(backbone: DecoderOnly, shot: Shot) -> list[tuple[int, Role]]:
    text = f"{shot.text}{ANSWER} {shot.label}{END}"
    chars = _roles_of_characters(shot, text)
    found = backbone.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    tokens = []
    for token, (start, stop) in zip(found["input_ids"], found["offset_mapping"], strict=True):
        # A space belongs to the word behind it; a token of spaces alone is what stands there.
        first = next((at for at in range(start, stop) if not text[at].isspace()), start)
        written = set(chars[first:stop])
        if Role.LABEL in written and len(written) > 1:
            raise MergedLabel(text, shot.label)
        tokens.append((token, chars[first]))
    return tokens


def _roles_of_characters(shot: Shot, text: str) -> list[Role]:
    words = shot.fields or [(0, len(shot.text))]
    roles = [Role.INPUT_FORMAT] * len(shot.text)
    for start, stop in words:
        roles[start:stop] = [Role.INPUT] * (stop - start)
    roles += [Role.OUTPUT_FORMAT] * len(ANSWER)
    roles += [Role.LABEL] * (1 + len(shot.label))
    return roles + [Role.NONE] * (len(text) - len(roles))
