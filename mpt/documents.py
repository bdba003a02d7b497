"""T5 on rows that lie one after another: nothing but the attention sees where a row ends.

A batch of many tasks is half padding. So each row, its prompt first, is a *document* in one
sequence of N tokens; all linear layers run on true tokens only, and attention runs document by
document, with T5's bias of relative positions. Shapes: mpt.prompt; heads h, of size d.
"""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import sdpa_mask

from mpt.attention import by_parts, sdpa
from mpt.signals import check_layer

NAME = "prompt_transfer_documents"
"""Under which Hugging Face's T5 knows this attention."""


class Documents(NamedTuple):
    """The rows of a padded batch as one sequence."""

    mask: Tensor  # bool, [B, L], true at tokens of the padded batch
    spans: list[slice]  # of each row, in N
    longest: int

    @classmethod
    def of(cls, mask: Tensor) -> "Documents":
        """Say where the rows go that `mask` [B, L] pads; none may be empty."""
        lengths = mask.sum(dim=1).tolist()
        spans = [slice(*ends) for ends in pairwise(accumulate(lengths, initial=0))]
        return cls(mask.bool(), spans, max(lengths))

    def pack(self, states: Tensor) -> Tensor:
        """Return the tokens of `states` [B, L, H] one after another, [1, N, H]."""
        return states[self.mask].unsqueeze(0)

    def unpack(self, states: Tensor) -> Tensor:
        """Return `states` [1, N, H] as the padded batch, [B, L, H], zero at padding."""
        padded = states.new_zeros(*self.mask.shape, states.shape[2])
        return padded.masked_scatter(self.mask.unsqueeze(2), states)


class DocumentEncoder:
    """The encoder of a T5, for documents.

    Args:
        model: a T5ForConditionalGeneration that attends to documents.
    """

    def __init__(self, model: Any) -> None:
        self.stack = model.encoder
        self._bias = torch.empty(0)  # [1, h, as long as was ever needed, the same]

    def __call__(
        self, embeds: Tensor, documents: Documents, layers: Sequence[int] = ()
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Run `embeds` [B, L, H]; return the last states, [1, N, H], and those of `layers`.

        Layers are numbered as in `mpt.encoder_decoder.run`.

        Raises:
            UnknownLayer: the encoder does not have one of `layers`.
        """
        depth = len(self.stack.block)
        for layer in layers:
            check_layer(layer, depth)
        wanted = {layer % (depth + 1) for layer in layers}
        states = documents.pack(embeds)
        bias = self._bias_of(documents.longest)
        found = {0: states} if 0 in wanted else {}
        for at, block in enumerate(self.stack.block, start=1):
            states, _, _ = block(states, None, bias, documents=documents)
            if at in wanted:
                found[at] = states
        last = found[depth] = self.stack.final_layer_norm(states)
        return last, tuple(found[layer % (depth + 1)] for layer in layers)

    def _bias_of(self, length: int) -> Tensor:
        bias = self._bias  # another thread may exchange it at any time
        if length > bias.shape[-1]:
            first = self.stack.block[0].layer[0].SelfAttention
            with torch.no_grad():
                self._bias = bias = first.compute_bias(length, length).contiguous()
        return bias


def attend(
    module: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, *,
    documents: Documents | None = None, scaling: float | None = None,
    position_bias: Tensor | None = None, **more: Any,
) -> tuple[Tensor, None]:  # fmt: skip
    """Attend each document to itself; or else, and in the decoder, as "sdpa" does.

    Args:
        module: a T5Attention.
        query: [1, h, N, d] of documents.
        key: [1, h, N, d] of documents.
        value: [1, h, N, d] of documents.
        mask: not looked at where there are documents.
        documents: where each row's tokens are.
        scaling: of the logits.
        position_bias: of the encoder, [1, h, at least the longest document, the same].
        more: what else "sdpa" takes.

    Returns:
        [1, N, h, d].
    """
    if documents is None or module.is_causal:
        return sdpa(
            module, query, key, value, mask,
            scaling=scaling, position_bias=position_bias, **more,
        )  # fmt: skip
    parts = [(span, span, False) for span in documents.spans]
    return by_parts(parts, scaling, position_bias, query, key, value), None


def attend_to_documents_(model: Any) -> bool:
    """Exchange the attention of a T5, in place; say whether documents are faster there."""
    model.set_attn_implementation(NAME)
    # Elsewhere than on CPUs, a call for each row costs more than padding.
    return bool(model.device.type == "cpu")


AttentionInterface.register(NAME, attend)
AttentionMaskInterface.register(NAME, sdpa_mask)
