"""A T5 decoder's attention to the input, without a key or a value for each of the input's tokens.

An answer is a few tokens, its input hundreds. A logit q · (K m) is also (Kᵀ q) · m, and a mean of
values is the value of the mean: so the queries go to where the encoder's states m are, and no state
goes through K or V. S answer tokens take S / d of the usual products, d being the size of a head:
it pays for answers of up to d tokens. Shapes: mpt.prompt; heads h; N tokens of all inputs.
"""

from typing import Any

import torch
from torch import Tensor, nn

from mpt.backbone import precise
from mpt.documents import Documents


class CrossAttention(nn.Module):
    """What a T5Attention to the encoder's states computes; it has the same weights.

    Args:
        attention: of a frozen T5's decoder.
    """

    def __init__(self, attention: Any) -> None:
        super().__init__()
        self.q, self.k, self.v, self.o = attention.q, attention.k, attention.v, attention.o
        self.n_heads: int = attention.n_heads

    def forward(
        self, states: Tensor, mask: Tensor | None, key_value_states: Tensor,
        documents: Documents | None = None, **more: Any,
    ) -> tuple[Tensor, None, None]:  # fmt: skip
        """Attend to what the encoder made of each row; the arguments are Hugging Face's.

        Args:
            states: of the decoder, [B, S, H].
            mask: of the rows' tokens, true or 0 where there is one, [B, 1, 1 or S, T]; None is all.
            key_value_states: the encoder's, [B, T, H], or [1, N, H] of documents.
            documents: where the rows are, if they are documents.
            more: caches and the like; there is nothing to keep.

        Returns:
            The outputs, [B, S, H]; no bias and no weights.
        """
        queries = self.q(states).unflatten(2, (self.n_heads, -1))  # [B, S, h, d]
        key, value = (_matrix(one, self.n_heads) for one in (self.k, self.v))
        asks = torch.einsum("bshd,hdm->bshm", queries, key).flatten(1, 2)  # [B, S · h, H]
        if documents is None:
            seen = _look(asks, key_value_states, None if mask is None else mask[:, 0, :1])
        else:
            # split and not slices: their gradients are put together once, not added row by row.
            lengths = [span.stop - span.start for span in documents.spans]
            pairs = zip(asks.unbind(), torch.split(key_value_states[0], lengths), strict=True)
            seen = torch.stack([_look(one, text, None) for one, text in pairs])
        seen = seen.view(*queries.shape[:3], -1)  # [B, S, h, H]
        out = torch.einsum("bshm,hdm->bshd", seen, value).flatten(2)
        return self.o(out), None, None


def _matrix(layer: Any, heads: int) -> Tensor:
    """Return what a linear layer multiplies by, [h, d, H].

    PEFT puts a layer of its own in the place of one that it adapts: then with the adapter's share.
    """
    matrix: Tensor = layer.weight
    if type(layer) is not nn.Linear:
        matrix = layer(torch.eye(matrix.shape[1], device=matrix.device, dtype=matrix.dtype)).mT
    return matrix.reshape(heads, -1, matrix.shape[1])


def _look(asks: Tensor, text: Tensor, mask: Tensor | None) -> Tensor:
    """Return the mean of `text` [.., T, H] as each of `asks` [.., S · h, H] weighs it."""
    logits = precise(asks @ text.mT)
    if mask is not None:
        none = torch.finfo(logits.dtype).min
        logits = logits.masked_fill(~mask, none) if mask.dtype == torch.bool else logits + mask
    return logits.softmax(dim=-1).to(text.dtype) @ text


def look_back_(model: Any) -> None:
    """Exchange the attention of a T5's decoder to its encoder, in place."""
    for block in model.decoder.block:
        layer = block.layer[1]
        layer.EncDecAttention = CrossAttention(layer.EncDecAttention)
