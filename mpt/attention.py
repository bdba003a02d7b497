"""Attention of rows behind the prompts they share: no row is padded, and no prompt is copied.

The rows of a batch lie one after another in one sequence of N tokens, so that everything but the
attention runs on true tokens only. A token attends to its prompt and to its own row; these are two
softmaxes, merged by their logsumexps. Each part's backward pass is exact if it is given the merged
output and logsumexp: Dao et al. 2022, "FlashAttention", arXiv 2205.14135, section 3.1 and B.2.

Shapes: mpt.prompt; heads h, of size d; G prompts.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from mpt.packing import Packed, Part

NAME = "prompt_transfer"
"""Under which Hugging Face's models know this attention."""


def attend(
    module: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, *,
    packed: Packed | None = None, scaling: float | None = None, **more: Any,
) -> tuple[Tensor, None]:  # fmt: skip
    """Attend to what is `packed`, or else as Hugging Face's "sdpa" does with its arguments.

    Args:
        module: the layer's attention.
        query: [1, h, N, d].
        key: [1, kv heads, N, d].
        value: [1, kv heads, N, d].
        mask: not looked at where rows are packed.
        packed: the rows, and the prompts of all layers.
        scaling: of the logits.
        more: what else "sdpa" takes.

    Returns:
        [1, N, h, d].
    """
    if packed is None:
        return sdpa(module, query, key, value, mask, scaling=scaling, **more)
    if packed.layers:
        keys, values = (_one_text(one) for one in packed.layers[module.layer_idx])
        key, value = torch.cat([keys, key], dim=2), torch.cat([values, value], dim=2)
    return by_parts(packed.parts, scaling, None, query, key, value), None


def sdpa(*args: Any, **more: Any) -> tuple[Tensor, None]:
    """Attend as Hugging Face's "sdpa" does; its arguments are not ours to name."""
    out, _ = sdpa_attention_forward(*args, **more)
    return out, None


def by_parts(
    parts: Sequence[Part], scale: float | None, bias: Tensor | None, *tensors: Tensor
) -> Tensor:
    """Return the attention of some tokens to some, part by part, [1, N, h, d].

    Args:
        parts: which queries see which keys, and whether only those up to themselves.
        scale: of the logits; None for 1 / sqrt(d).
        bias: [1, h, ..], added to each part's logits, from its first query and key on; not learned.
        tensors: query [1, h, N, d], and key and value, [1, h, M, d] each.
    """
    out: Tensor = Parts.apply(parts, scale, bias, *tensors)  # type: ignore[no-untyped-call]
    return out.transpose(1, 2)


class Parts(torch.autograd.Function):
    """What `by_parts` computes, with an exact backward pass."""

    @staticmethod
    def forward(
        ctx: Any, parts: Sequence[Part], scale: float | None, bias: Tensor | None, *tensors: Tensor
    ) -> Tensor:
        """Return the output, [1, h, N, d]; `tensors` are query, key and value."""
        query, key, value = tensors
        wide = torch.promote_types(query.dtype, torch.float32)
        out = torch.zeros_like(query)
        total = query.new_full(query.shape[:3], -torch.inf, dtype=wide)  # logsumexps, [1, h, N]
        for asking, seen, causal in parts:
            o, t = _at(asking, out, total)
            its_bias = _corner(bias, asking, seen)
            _merge_(o, t, *_flash(
                query[:, :, asking], *_at(seen, key, value), causal, its_bias, scale
            ))  # fmt: skip
        ctx.save_for_backward(*tensors, out, total)
        ctx.parts, ctx.scale, ctx.bias = parts, scale, bias
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of query, key and value, and none of the rest."""
        query, key, value, out, total = ctx.saved_tensors
        grads = [torch.zeros_like(one) for one in (query, key, value)]
        for asking, seen, causal in ctx.parts:
            asked, q, o, t = _at(asking, gradient, query, out, total)
            its_bias = _corner(ctx.bias, asking, seen)
            parts = _flash_backward(
                asked, q, *_at(seen, key, value), o, t, causal, its_bias, ctx.scale
            )
            for grad, where, part in zip(grads, (asking, seen, seen), parts, strict=True):
                grad[:, :, where] += part
        return None, None, None, *grads


def _at(where: slice, *tensors: Tensor) -> tuple[Tensor, ...]:
    return tuple(one[:, :, where] for one in tensors)


def _corner(bias: Tensor | None, asking: slice, seen: slice) -> Tensor | None:
    if bias is None:
        return None
    return bias[:, :, : asking.stop - asking.start, : seen.stop - seen.start]


def _one_text(layer: Tensor) -> Tensor:
    """Return keys or values [G, kv heads, P, d] as one text, [1, kv heads, G · P, d]."""
    return layer.transpose(0, 1).flatten(1, 2).unsqueeze(0)


def _merge_(out: Tensor, total: Tensor, more: Tensor, its_total: Tensor) -> None:
    """Add another softmax over other keys, in place: outputs [1, h, S, d], logsumexps [1, h, S]."""
    both = torch.logaddexp(total, its_total)
    ours, theirs = ((one - both).exp().unsqueeze(3) for one in (total, its_total))
    out.copy_(out * ours + more * theirs)
    total.copy_(both)


def _flash(*args: Any) -> tuple[Tensor, Tensor]:
    """Attend, and return the logsumexps too: outputs [1, h, S, d], logsumexps [1, h, S].

    `args` are query, key and value; then whether it is causal, the bias, and the scale.
    """
    *tensors, causal, bias, scale = args
    flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    out, total = flash(*tensors, 0.0, causal, attn_mask=bias, scale=scale)
    return out, total


def _flash_backward(*args: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients of query, key and value.

    `args` are the gradient of the output; query, key and value; output and logsumexps over all
    keys, of which these may be a part; then whether it is causal, the bias, and the scale.
    """
    *tensors, causal, bias, scale = args
    flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward
    query, key, value = flash(*tensors, 0.0, causal, attn_mask=bias, scale=scale)
    return query, key, value


def can_pack(model: Any) -> bool:
    """Say whether a model would attend as it is told here, and on this device."""
    return (
        model.device.type == "cpu"  # elsewhere, a call for each row costs more than padding
        and getattr(model, "_supports_attention_backend", False)
        and model.config._attn_implementation in {"sdpa", NAME}
        and "position_ids" in model.base_model.forward.__annotations__
    )


AttentionInterface.register(NAME, attend)
AttentionMaskInterface.register(NAME, sdpa_mask)
