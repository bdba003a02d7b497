"""What a causal model keeps of what it read: of prompts, and of the rows behind them.

Shapes: mpt.prompt; G prompts. Where they are of several lengths, P is the longest: the others are
padded on the right.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import DynamicCache

from mpt.packing import Layers, Packed


class Front(NamedTuple):
    """Keys and values of G prompts, and how many tokens each has."""

    layers: Layers
    lengths: tuple[int, ...]

    @classmethod
    def of(cls, fronts: Sequence["Front"]) -> "Front":
        """Return fronts of one prompt each as one front."""
        if len(fronts) == 1:
            return fronts[0]
        lengths = tuple(one.length for one in fronts)
        layers = zip(*(one.layers for one in fronts), strict=True)
        return cls(tuple(_stacked(prompts, max(lengths)) for prompts in layers), lengths)

    @property
    def length(self) -> int:
        """How many tokens stand in front, P."""
        return max(self.lengths)

    @property
    def ragged(self) -> bool:
        """Whether the prompts are of several lengths."""
        return len(set(self.lengths)) > 1

    def before(self, owners: Tensor) -> Tensor:
        """Return how many tokens stand before each row, [B], by its place among the prompts."""
        return owners.new_tensor(self.lengths)[owners]

    def mask(self, owners: Tensor) -> Tensor:
        """Return 1 at the tokens that stand before each row, and 0 at padding, [B, P]."""
        there = torch.arange(self.length, device=owners.device)
        return (there < self.before(owners).unsqueeze(1)).to(owners)


class Kept:
    """Keys and values of prompts and rows, laid out as a padded batch when first asked for.

    Few ask: a label of one token is predicted by what was read.
    """

    def __init__(self, lay_out: Callable[[], DynamicCache]) -> None:
        self._lay_out = lay_out

    @cached_property
    def cache(self) -> DynamicCache:
        """Of P + T tokens."""
        return self._lay_out()

    def take(self, rows: Tensor) -> "Kept":
        """Return what is kept of `rows`, by their places in the batch."""
        return Kept(lambda: _cache((keys[rows], values[rows]) for keys, values in kept(self.cache)))


def kept(cache: Any) -> Layers:
    """Return the keys and values in a cache."""
    return tuple((layer.keys, layer.values) for layer in cache.layers)


def before(front: Front | None, owners: Tensor) -> DynamicCache:
    """Return the keys and values of each row's front, as those of a batch."""
    layers = front.layers if front else ()
    return _cache((_of_rows(keys, owners), _of_rows(values, owners)) for keys, values in layers)


def laid_out(
    front: Front | None, owners: Tensor, packed: Packed, cache: Any, mask: Tensor
) -> DynamicCache:
    """Return the keys and values of fronts and packed rows, as those of a batch."""
    padded = before(front, owners)
    for at, layer in enumerate(kept(cache)):
        heads = layer[0].shape[1]
        rows = [
            packed.unpack(one.transpose(1, 2).flatten(2), mask).view(*mask.shape, heads, -1)
            for one in layer
        ]
        padded.update(rows[0].transpose(1, 2), rows[1].transpose(1, 2), at)
    return padded


def _cache(layers: Iterable[tuple[Tensor, Tensor]]) -> DynamicCache:
    cache = DynamicCache()
    for at, (keys, values) in enumerate(layers):
        cache.update(keys, values, at)
    return cache


def _of_rows(layer: Tensor, owners: Tensor) -> Tensor:
    """Return keys or values [G, heads, P, size] of each row's front, [B, heads, P, size]."""
    if len(layer) == 1:
        return layer.expand(len(owners), -1, -1, -1)
    return layer[owners]


def _stacked(prompts: Iterable[tuple[Tensor, Tensor]], length: int) -> tuple[Tensor, Tensor]:
    """Return the keys, and the values, of G prompts, [G, heads, P, size] each."""
    keys, values = (
        torch.cat([F.pad(one, (0, 0, 0, length - one.shape[2])) for one in ones])
        for ones in zip(*prompts, strict=True)
    )
    return keys, values
