"""What a step is expected to keep for its backward pass, against what it keeps."""

import pytest
import torch

from mpt.memory import step_bytes
from mpt.prompt import SoftPrompt
from mpt.together import Asked, loss_of

P = 8


def kept_bytes(backbone, rows, encoded):
    """Sum the storages that autograd holds, but for the weights."""
    weights = {one.untyped_storage().data_ptr() for one in backbone.model.parameters()}
    found = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            found[storage.data_ptr()] = storage.nbytes()
        return tensor

    prompt = SoftPrompt(torch.randn(P, backbone.hidden_size))
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = loss_of(backbone, Asked(prompt, encoded, range(rows)))
    assert loss.isfinite()  # and all is still held
    return sum(found.values())


@pytest.mark.parametrize("family", ["t5", "llama", "gpt2", "opt", "bloom"])
def test_the_estimate_is_at_least_half_of_what_is_kept_and_at_most_three_times(
    family, make_backbone, make_causal
):
    backbone = make_backbone("1.1") if family == "t5" else make_causal(family)
    if family == "t5":  # as on an accelerator
        backbone.documents = None
        backbone.model.set_attn_implementation("sdpa")
    for rows in (4, 16):
        encoded = backbone.encode(["the worst film I ever saw " * 4] * rows, ["no"] * rows, 60, 9)
        length, answer = len(encoded.input(0)) + P, len(encoded.answer(0))
        ratio = step_bytes(backbone.size, rows, length, answer) / kept_bytes(
            backbone, rows, encoded
        )
        assert 0.5 < ratio < 3
