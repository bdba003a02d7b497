"""How much memory a training step takes beside the weights: so many jobs fit on a device."""

import os

import torch

from mpt.backbone import Backbone

SHARE = 0.7  # of what is free: the rest is for what an estimate forgets


def step_bytes(backbone: Backbone, rows: int, length: int, answer: int) -> int:
    """Return about how much one training step keeps for its backward pass.

    A frozen linear layer keeps nothing. Each token and layer keeps two residuals and the inputs of
    two norms, the attention's query, key, value and output, and three products of the feed-forward;
    each predicted token its logits, three times over in the loss. A T5 that pads makes a mask with
    its bias in each layer, for each head and pair of tokens.

    Args:
        backbone: the frozen model.
        rows: of the batch.
        length: tokens of the longest row, with its prompt.
        answer: tokens of a label.
    """
    config = backbone.model.config
    size: int = backbone.model.dtype.itemsize
    names = ("d_ff", "intermediate_size", "ffn_dim", "n_inner")
    inner: int | None = next(filter(None, (getattr(config, name, None) for name in names)), None)
    layer: int = (8 * backbone.hidden_size + 3 * (inner or 4 * backbone.hidden_size)) * size
    is_t5 = backbone.architecture == "encoder-decoder"
    pairs = backbone.num_heads * length * size if is_t5 else 0
    layers = backbone.num_layers * length * (layer + pairs)
    return rows * (layers + answer * 3 * 4 * backbone.vocab_size)


def free_bytes(device: torch.device) -> int:
    """Return how much memory may be used on `device`."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        # What torch keeps for its next tensors is free for us.
        free += torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    else:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return int(SHARE * free)
