"""The optimizer of the nano backbones' matrices."""

import pytest
import torch
from torch.testing import assert_close

from benchmarks.muon import Muon


@pytest.mark.parametrize("shape", [(6, 6), (4, 9), (9, 4)])
def test_muon_steps_as_torchs_does_within_its_bfloat16(shape):
    torch.manual_seed(0)
    ours = [torch.nn.Parameter(torch.randn(shape)) for _ in range(2)]
    theirs = [torch.nn.Parameter(one.detach().clone()) for one in ours]
    optimizers = [
        Muon(ours, lr=0.1, weight_decay=0.2),
        torch.optim.Muon(theirs, lr=0.1, weight_decay=0.2),
    ]
    for _ in range(3):
        for one, other in zip(ours, theirs, strict=True):
            one.grad = torch.randn(shape)
            other.grad = one.grad.clone()
        for optimizer in optimizers:
            optimizer.step()
    for one, other in zip(ours, theirs, strict=True):
        assert_close(one, other, rtol=0, atol=0.01)
