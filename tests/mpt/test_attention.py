"""Packed rows behind shared prompts, against one softmax for each row."""

from types import SimpleNamespace

import pytest
import torch
from torch.testing import assert_close

from mpt.attention import attend
from mpt.packing import pack

P, SIZE, SCALE = 5, 8, 0.3
LENGTHS = [3, 7, 1, 4]
MASK = torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS)[:, None]


def drawn(*shape, seed=0):
    draws = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=draws, dtype=torch.float64).requires_grad_()


def alone(query, key, value, front):
    """One row [heads, length, d], its own prompt before it, and nothing else."""
    key, value = (torch.cat(both, dim=1) for both in zip(front, (key, value), strict=True))
    copies = len(query) // len(key)
    scores = query @ key.repeat_interleave(copies, 0).mT * SCALE
    future = torch.ones(scores.shape[1:]).triu(scores.shape[2] - scores.shape[1] + 1).bool()
    return scores.masked_fill(future, -torch.inf).softmax(-1) @ value.repeat_interleave(copies, 0)


@pytest.mark.parametrize("heads", [2, 4])
@pytest.mark.parametrize("owners", [[0, 0, 0, 0], [1, 0, 1, 2], [3, 1, 3, 1], None])
def test_each_row_attends_to_its_prompt_and_to_its_own_past(owners, heads):
    count = max(owners) + 1 if owners else 0
    front = [drawn(count, 2, P, SIZE, seed=seed) for seed in (1, 2)]
    sizes = [(1, heads, sum(LENGTHS), SIZE), *[(1, 2, sum(LENGTHS), SIZE)] * 2]
    whole = [drawn(*size, seed=seed) for seed, size in enumerate(sizes, start=3)]
    belongs = torch.tensor(owners or [0] * len(LENGTHS))
    packed = pack(MASK, belongs, (tuple(front),) if owners else ())
    module = SimpleNamespace(layer_idx=0)
    found, _ = attend(module, *whole, None, packed=packed, scaling=SCALE)

    rows = []
    for row, owner in zip(packed.rows, belongs.sort(stable=True)[0], strict=True):
        prompt = [one[owner] if owners else one.new_zeros(2, 0, SIZE) for one in front]
        rows.append(alone(*(one[0, :, row] for one in whole), prompt))
    expected = torch.cat(rows, dim=1).transpose(0, 1)[None]
    assert_close(found, expected)
    weights = drawn(*found.shape, seed=9).detach()
    asked = [*whole, *front] if owners else whole
    ours = torch.autograd.grad((found * weights).sum(), asked)
    theirs = torch.autograd.grad((expected * weights).sum(), asked, materialize_grads=True)
    for one, other in zip(ours, theirs, strict=True):
        assert_close(one, other)


def test_a_batch_is_packed_by_prompt_and_unpacked_as_it_was():
    states = drawn(4, 7, 2).detach() * MASK[:, :, None]
    layers = ((torch.zeros(3, 2, P, SIZE),) * 2,)
    packed = pack(MASK, torch.tensor([2, 0, 2, 0]), layers)
    assert packed.rows == [slice(0, 7), slice(7, 11), slice(11, 14), slice(14, 15)]
    assert packed.groups == [(0, slice(0, 11)), (2, slice(11, 15))]
    flat = states.flatten(0, 1)[packed.at]
    assert flat[:7].equal(states[1])
    assert packed.unpack(flat[None], MASK).equal(states)
