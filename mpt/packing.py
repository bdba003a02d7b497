"""Where the tokens of a batch stand: rows padded to one length, or one after another.

Shapes: mpt.prompt; G prompts; N tokens of all rows, without padding.
"""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from mpt.encoding import IGNORED, Batch

Part = tuple[slice, slice, bool]
"""Which queries see which keys, and whether only those up to themselves."""
Layers = tuple[tuple[Tensor, Tensor], ...]
"""Keys and values of each layer, [G, kv heads, the longest P, head size] each."""


class Joined(NamedTuple):
    """Inputs and answers as one row each, padded on the right."""

    ids: Tensor  # [B, T + S - 1]
    mask: Tensor  # bool, the same shape: true at tokens
    places: Tensor  # [B, S], where each label token is predicted; at padding it means nothing


class Packed(NamedTuple):
    """Prompts and rows as one sequence; rows of one prompt lie side by side."""

    at: Tensor  # [N], each token's place in the padded batch, [B · T]
    parts: list[Part]  # prompts that were run before have keys, and no queries
    layers: Layers  # of prompts that were run before

    def unpack(self, states: Tensor, mask: Tensor) -> Tensor:
        """Return the rows of `states` [1, .. + N, H] as `mask` [B, T] pads them: [B, T, H]."""
        rows = states[0, -len(self.at) :]
        return (
            rows.new_zeros(mask.numel(), rows.shape[1])
            .index_copy(0, self.at, rows)
            .view(*mask.shape, -1)
        )


def pack(mask: Tensor, owners: Tensor, prompts: Sequence[int], layers: Layers) -> Packed:
    """Say where the tokens of a batch go.

    Args:
        mask: bool, [B, T], true at tokens.
        owners: each row's prompt, [B].
        prompts: how long each prompt is, G of them; to be run, they are of one length.
        layers: keys and values of the prompts, if they were run before.
    """
    order = owners.argsort(stable=True)
    lengths = mask.sum(dim=1)[order]
    behind = [int(lengths[owners[order] == at].sum()) for at in range(len(prompts))]
    places = torch.arange(mask.numel(), device=mask.device).view_as(mask)[order]
    width = max(prompts, default=0)
    ahead = len(prompts) * width
    fronts = [slice(at * width, at * width + long) for at, long in enumerate(prompts)]
    first = 0 if layers else ahead  # of the rows' queries
    asking, seen = (_slices(lengths.tolist(), start) for start in (first, ahead))
    parts = [] if layers else [(prompt, prompt, True) for prompt in fronts]
    parts += [(row, itself, True) for row, itself in zip(asking, seen, strict=True)]
    groups = zip(_slices(behind, first), fronts, strict=True)
    parts += [(group, prompt, False) for group, prompt in groups]
    # Attention to nothing, or of nothing, ends torch's kernel with a signal.
    parts = [part for part in parts if all(one.start < one.stop for one in part[:2])]
    return Packed(places[mask[order]], parts, layers)


def _slices(lengths: list[int], start: int) -> list[slice]:
    return [slice(*ends) for ends in pairwise(accumulate(lengths, initial=start))]


def joined(batch: Batch) -> Joined:
    """Return the inputs of a batch, each with what is read of its answer."""
    ids = torch.cat([batch.input_ids, batch.labels[:, :-1].clamp_min(0)], dim=1)
    # The last token of an answer is predicted, and not read: a token is read for the next one.
    seen = torch.cat([batch.mask.bool(), batch.labels[:, 1:] != IGNORED], dim=1)
    order = seen.long().argsort(dim=1, descending=True, stable=True)
    lengths = batch.mask.sum(dim=1, keepdim=True)
    places = lengths - 1 + torch.arange(batch.labels.shape[1], device=ids.device)
    rows, tokens = ids.gather(1, order), seen.gather(1, order)
    return Joined(rows, tokens, places.clamp_max(ids.shape[1] - 1))
