"""How much memory a training step takes beside the weights: so many jobs fit on a device."""

import os

import torch

from mpt.backbone import Backbone

SHARE = 0.7  # of what is free: the rest is for what an estimate forgets


def step_bytes(backbone: Backbone, rows: int, length: int, answer: int) -> int:
    """Return about how much one training step keeps for its backward pass.

    A frozen linear layer keeps nothing. Each token and layer keeps two residuals and the inputs of
    two norms, the attention's query, key, value and output, and three products of the feed-forward;
    each predicted token its logits, three times over in the loss.

    Args:
        backbone: the frozen model.
        rows: of the batch.
        length: tokens of a row, with its prompt.
        answer: tokens of a label.
    """
    config = backbone.model.config
    size: int = backbone.model.dtype.itemsize
    names = ("d_ff", "intermediate_size", "ffn_dim", "n_inner")
    inner: int | None = next(filter(None, (getattr(config, name, None) for name in names)), None)
    layer: int = (8 * backbone.hidden_size + 3 * (inner or 4 * backbone.hidden_size)) * size
    return rows * (length * backbone.num_layers * layer + answer * 3 * 4 * backbone.vocab_size)


def free_bytes(device: torch.device) -> int:
    """Return how much memory may be used on `device`."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
    else:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return int(SHARE * free)
