"""All labels of a task in one pass of T5's decoder: they begin alike, and none sees another.

The decoder reads its start once, and behind it each label but its last token. Shapes: mpt.prompt;
W tokens of all labels; heads h.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from mpt.documents import Documents


class LabelTree(NamedTuple):
    """Labels as one sequence of a decoder."""

    ids: Tensor  # [W], what is read
    depths: Tensor  # [W], how many tokens each comes after
    seen: Tensor  # bool, [W, W]: which tokens each sees
    places: tuple[Tensor, ...]  # of each label: where its tokens are predicted

    @classmethod
    def of(cls, labels: Sequence[Sequence[int]], start: int, device: torch.device) -> "LabelTree":
        """Return `labels`, token ids each, behind the id `start`."""
        ids, depths, branches, places = [start], [0], [0], []
        for branch, label in enumerate(labels, start=1):
            read = label[:-1]
            places.append(torch.tensor([0, *range(len(ids), len(ids) + len(read))], device=device))
            ids += read
            depths += range(1, len(label))
            branches += [branch] * len(read)
        depth, branch_of = (torch.tensor(one, device=device) for one in (depths, branches))
        mine = (branch_of[:, None] == branch_of) | (branch_of == 0)
        seen = mine & (depth <= depth[:, None])
        return cls(torch.tensor(ids, device=device), depth, seen, tuple(places))


def read_labels(
    stack: Any, tree: LabelTree, memory: Tensor, mask: Tensor, documents: Documents | None
) -> Tensor:
    """Run a T5's decoder on a tree of labels; return its last states, [B, W, H].

    Args:
        stack: the decoder.
        tree: the labels.
        memory: what the encoder made of the rows, [B, T, H], or [1, N, H] of documents.
        mask: 1 at the tokens of each row, [B, T].
        documents: where the rows are, if they are documents.
    """
    longest = int(tree.depths.max()) + 1
    table = stack.block[0].layer[0].SelfAttention.compute_bias(longest, longest)
    own, others = tree.seen[None, None], mask.bool()[:, None, None]  # [.., queries, keys]
    bias = table[:, :, tree.depths[:, None], tree.depths]  # [1, h, W, W]
    states = stack.embed_tokens(tree.ids).expand(len(mask), -1, -1)
    for block in stack.block:
        states, *_ = block(
            states, own, bias, memory, None if documents else others, documents=documents
        )
    last: Tensor = stack.final_layer_norm(states)
    return last
