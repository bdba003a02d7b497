"""What a backbone's encoder and decoder give back, and how one of them is run."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor, nn


class UnknownLayer(LookupError):
    """Hidden states are asked of a layer that a backbone does not have."""

    def __init__(self, layer: int, depth: int) -> None:
        super().__init__(
            f"no layer {layer} in this stack: give 0 (its input) to {depth} (the last, after its "
            f"norm), or count from the end, -1 to {-depth - 1}"
        )


class Reading(NamedTuple):
    """What the encoder made of a prompt and an input."""

    states: Tensor  # [B, P + T, H]
    mask: Tensor  # [B, P + T]
    hidden: tuple[Tensor, ...]  # the layers asked for, each [B, P + T, H]


class Signals(NamedTuple):
    """What the backbone says about a batch under one prompt."""

    loss: Tensor  # scalar: mean cross-entropy over the label tokens, in nats
    logits: Tensor  # [B, S, V]
    decoder_hidden: tuple[Tensor, ...]  # the layers asked for, each [B, S, H]
    encoder_hidden: tuple[Tensor, ...]  # the layers asked for, each [B, P + T, H]
    encoder_mask: Tensor  # [B, P + T]


def check_layer(layer: int, depth: int) -> None:
    """Refuse a layer that a stack of `depth` layers does not have.

    Raises:
        UnknownLayer: it is outside -depth - 1 .. depth.
    """
    if not -depth - 1 <= layer <= depth:
        raise UnknownLayer(layer, depth)


def run(
    stack: Any, inputs: Mapping[str, Tensor | bool], layers: Sequence[int]
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Run an encoder or a decoder; return its last states and those of `layers`.

    Layers are numbered as Hugging Face does: 0 is the stack's input, -1 the last layer's output
    after the final norm. That one comes anyway; any other makes the stack keep them all.

    Raises:
        UnknownLayer: the stack does not have one of `layers`.
    """
    depth = len(stack.block)
    for layer in layers:
        check_layer(layer, depth)
    inner = any(layer not in {-1, depth} for layer in layers)
    out = stack(**inputs, output_hidden_states=inner)
    last: Tensor = out.last_hidden_state
    states = out.hidden_states if inner else {-1: last, depth: last}
    return last, tuple(states[layer] for layer in layers)


def fuse_gelu_(model: nn.Module) -> None:
    """Replace Hugging Face's "gelu_new" by torch's one kernel for the same formula, in place.

    On a CPU a tenth to a sixth of a training step goes into its eight small operations. Results
    differ in the last bits only.
    """
    for module in model.modules():
        if type(getattr(module, "act", None)).__name__ == "NewGELUActivation":
            module.act = nn.GELU(approximate="tanh")
