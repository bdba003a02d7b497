"""First values of a prompt: sampled vocabulary, a text, or other prompts. Shapes: mpt.prompt."""

from collections.abc import Sequence
from itertools import cycle, islice

import torch
from torch import Tensor

from mpt.backbone import Backbone

COMMON = 5000
"""Ids are drawn from the first 5000, a T5 vocabulary's most frequent: Asai et al. 2022's code."""


class NoFirstValue(ValueError):
    """A prompt cannot be started as it was asked to."""


def vocabulary(backbone: Backbone, length: int, generator: torch.Generator) -> Tensor:
    """Return the embeddings of `length` random common tokens, no two the same, as [P, H] float32.

    Raises:
        NoFirstValue: the vocabulary is smaller than that.
    """
    common = min(COMMON, backbone.vocab_size)
    if length > common:
        raise NoFirstValue(
            f"a prompt of {length} tokens cannot start from {common} different vocabulary entries: "
            "make it shorter, or start it from a text"
        )
    ids = torch.randperm(common, generator=generator)[:length]
    return _embeddings(backbone, ids)


def text(backbone: Backbone, words: str, length: int) -> Tensor:
    """Return the embeddings of `words`, repeated or cut to `length` tokens, as [P, H] float32.

    Raises:
        NoFirstValue: there is no token in `words`.
    """
    ids = backbone.tokens([words])[0]
    if not ids:
        raise NoFirstValue(
            f"the text {words!r} has no tokens: give a prompt some words to start from"
        )
    return _embeddings(backbone, torch.tensor(list(islice(cycle(ids), length))))


def mean(prompts: Sequence[Tensor]) -> Tensor:
    """Return the mean of `prompts`, each [P, H], such as the teachers of the source tasks.

    Raises:
        NoFirstValue: there are none, or they differ in shape.
    """
    shapes = sorted({tuple(prompt.shape) for prompt in prompts})
    if len(shapes) != 1:
        raise NoFirstValue(
            f"prompts of the shapes {shapes} have no mean: give one or more, all of one shape"
        )
    return torch.stack([prompt.detach() for prompt in prompts]).mean(dim=0)


def _embeddings(backbone: Backbone, ids: Tensor) -> Tensor:
    return backbone.embed(ids.to(backbone.device)).detach().float().clone()
