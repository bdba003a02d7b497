"""What a backbone says about a batch. Shapes are those of mpt.prompt."""

from typing import NamedTuple

from torch import Tensor


class UnknownLayer(LookupError):
    """Hidden states are asked of a layer that a backbone does not have."""

    def __init__(self, layer: int, depth: int) -> None:
        super().__init__(
            f"no layer {layer} in this stack: give 0 (its input) to {depth} (the last, after its "
            f"norm), or count from the end, -1 to {-depth - 1}"
        )


class Signals(NamedTuple):
    """What the backbone says about a batch under one prompt."""

    loss: Tensor  # scalar: mean cross-entropy over the label tokens, in nats
    logits: Tensor  # [B, S, V]
    decoder_hidden: tuple[Tensor, ...]  # the layers asked for, each [B, S, H]
    encoder_hidden: tuple[Tensor, ...] = ()  # the layers asked for, each [B, P + T, H]
    encoder_mask: Tensor | None = None  # [B, P + T]; a decoder-only model has none


def check_layer(layer: int, depth: int) -> None:
    """Refuse a layer that a stack of `depth` layers does not have.

    Raises:
        UnknownLayer: it is outside -depth - 1 .. depth.
    """
    if not -depth - 1 <= layer <= depth:
        raise UnknownLayer(layer, depth)
