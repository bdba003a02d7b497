"""How much memory a training step takes beside the weights: so many jobs fit on a device."""

import os
from dataclasses import dataclass
from typing import Any, Self

import torch

SHARE = 0.7  # of what is free: the rest is for what an estimate forgets


@dataclass(frozen=True)
class Size:
    """What the memory of a frozen model depends on."""

    parameters: int
    itemsize: int
    """Bytes of a weight, and of what passes through."""
    layers: int
    hidden: int
    inner: int
    """Width of the feed-forward."""
    heads: int
    vocabulary: int
    pads: bool
    """It is a T5, which makes a mask with its bias in each layer."""

    @classmethod
    def of(cls, config: Any, parameters: int, itemsize: int) -> Self:
        """Read a configuration of transformers."""
        names = ("d_ff", "intermediate_size", "ffn_dim", "n_inner")
        inner = next(filter(None, (getattr(config, name, None) for name in names)), None)
        return cls(
            parameters=parameters, itemsize=itemsize, layers=config.num_hidden_layers,
            hidden=config.hidden_size, inner=inner or 4 * config.hidden_size,
            heads=config.num_attention_heads, vocabulary=config.vocab_size,
            pads=config.is_encoder_decoder,
        )  # fmt: skip


def step_bytes(size: Size, rows: int, length: int, answer: int) -> int:
    """Return about how much one training step keeps for its backward pass.

    A frozen linear layer keeps nothing. Each token and layer keeps two residuals and the inputs of
    two norms, the attention's query, key, value and output, and three products of the feed-forward;
    each predicted token its logits, three times over in the loss. A T5 that pads makes a mask with
    its bias in each layer, for each head and pair of tokens.

    Args:
        size: of the frozen model.
        rows: of the batch.
        length: tokens of the longest row, with its prompt.
        answer: tokens of a label.
    """
    layer = (8 * size.hidden + 3 * size.inner) * size.itemsize
    pairs = size.heads * length * size.itemsize if size.pads else 0
    layers = size.layers * length * (layer + pairs)
    return rows * (layers + answer * 3 * 4 * size.vocabulary)


def free_bytes(device: torch.device) -> int:
    """Return how much memory this process may still use on `device`."""
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        # What torch keeps for its next tensors is free for us.
        mine = torch.cuda.memory_allocated(device)
        free += torch.cuda.memory_reserved(device) - mine
        # A job that shares a GPU was given a part of it.
        part = torch.cuda.get_per_process_memory_fraction(device)
        free = min(free, int(part * total) - mine)
    else:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return int(SHARE * free)
