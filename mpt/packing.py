"""Where the tokens of a batch stand: rows padded to one length, or one after another.

Shapes: mpt.prompt; G prompts; N tokens of all rows, without padding.
"""

from itertools import accumulate, pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from mpt.encoding import IGNORED, Batch

Layers = tuple[tuple[Tensor, Tensor], ...]
"""Keys and values of each layer, [G, kv heads, P, head size] each."""


class Joined(NamedTuple):
    """Inputs and answers as one row each, padded on the right."""

    ids: Tensor  # [B, T + S - 1]
    mask: Tensor  # bool, the same shape: true at tokens
    places: Tensor  # [B, S], where each label token is predicted; at padding it means nothing


class Packed(NamedTuple):
    """The rows of a batch as one sequence of N tokens; rows of one prompt lie side by side."""

    at: Tensor  # [N], each token's place in the padded batch, [B · T]
    rows: list[slice]  # that have any token
    groups: list[tuple[int, slice]]  # prompts that any row reads, and their rows
    layers: Layers  # of the prompts

    def unpack(self, states: Tensor, mask: Tensor) -> Tensor:
        """Return `states` [1, N, H] as a batch padded as `mask` [B, T] is, with 0: [B, T, H]."""
        padded = states.new_zeros(mask.numel(), states.shape[2])
        return padded.index_copy(0, self.at, states[0]).view(*mask.shape, -1)


def pack(mask: Tensor, owners: Tensor, layers: Layers) -> Packed:
    """Say where the tokens of a batch go.

    Args:
        mask: bool, [B, T], true at tokens.
        owners: each row's prompt, [B].
        layers: keys and values of the prompts; none, if there are none.
    """
    order = owners.argsort(stable=True)
    lengths = mask.sum(dim=1)[order]
    prompts = len(layers[0][0]) if layers else 0
    behind = [int(lengths[owners[order] == at].sum()) for at in range(prompts)]
    places = torch.arange(mask.numel(), device=mask.device).view_as(mask)[order]
    rows, groups = _slices(lengths.tolist()), _slices(behind)
    # Attention to nothing, or of nothing, ends torch's kernel with a signal.
    rows = [row for row in rows if row.start < row.stop]
    read = [(at, group) for at, group in enumerate(groups) if group.start < group.stop]
    return Packed(places[mask[order]], rows, read, layers)


def _slices(lengths: list[int]) -> list[slice]:
    return [slice(*ends) for ends in pairwise(accumulate(lengths, initial=0))]


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
