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


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("heads", [2, 4])
@pytest.mark.parametrize("owners", [[0, 0, 0, 0], [1, 0, 1, 2], [3, 1, 3, 1], None])
def test_each_row_attends_to_its_prompt_and_to_its_own_past(owners, heads, before):
    """Prompts are run with the rows, or were run `before` and have keys and values only."""
    count = max(owners) + 1 if owners else 0
    ahead, length = count * P, sum(LENGTHS)
    front = [drawn(count, 2, P, SIZE, seed=seed) for seed in (1, 2)]
    new = length if before else ahead + length
    sizes = [(1, heads, new, SIZE), *[(1, 2, new, SIZE)] * 2]
    whole = [drawn(*size, seed=seed) for seed, size in enumerate(sizes, start=3)]
    belongs = torch.tensor(owners or [0] * len(LENGTHS))
    packed = pack(MASK, belongs, [P] * count, (tuple(front),) if owners and before else ())
    module = SimpleNamespace(layer_idx=0)
    found, _ = attend(module, *whole, None, packed=packed, scaling=SCALE)

    texts, nothing = [], [drawn(2, 0, SIZE)] * 2
    if before:
        prompts = [[one[at] for one in front] for at in range(count)]
    else:
        spans = [slice(at * P, at * P + P) for at in range(count)]
        texts = [alone(*(one[0, :, span] for one in whole), nothing) for span in spans]
        prompts = [[one[0, :, span] for one in whole[1:]] for span in spans]
    order = belongs.argsort(stable=True)
    rows = zip(order, torch.cat([one[0] for one in whole], 0)[:, new - length :].split(
        [LENGTHS[row] for row in order], dim=1), strict=True)  # fmt: skip
    for row, one in rows:
        parts = one.split([heads, 2, 2])
        texts.append(alone(*parts, prompts[belongs[row]] if owners else nothing))
    expected = torch.cat(texts, dim=1).transpose(0, 1)[None]
    assert_close(found, expected)
    weights = drawn(*found.shape, seed=9).detach()
    asked = [*whole, *front] if owners and before else whole
    ours = torch.autograd.grad((found * weights).sum(), asked)
    theirs = torch.autograd.grad((expected * weights).sum(), asked, materialize_grads=True)
    for one, other in zip(ours, theirs, strict=True):
        assert_close(one, other)


def test_a_batch_is_packed_by_prompt_and_unpacked_as_it_was():
    states = drawn(4, 7, 2).detach() * MASK[:, :, None]
    packed = pack(MASK, torch.tensor([2, 0, 2, 0]), [P] * 3, ())
    lengths = [part[0].stop - part[0].start for part in packed.parts]
    assert lengths == [P, P, P, 7, 4, 3, 1, 11, 4]
    assert [part[2] for part in packed.parts] == [True] * 7 + [False] * 2
    assert packed.parts[-2:] == [
        (slice(15, 26), slice(0, 5), False), (slice(26, 30), slice(10, 15), False)
    ]  # fmt: skip
    flat = states.flatten(0, 1)[packed.at]
    assert flat[:7].equal(states[1])
    ahead = torch.ones(3 * P, 2, dtype=torch.float64)
    assert packed.unpack(torch.cat([ahead, flat])[None], MASK).equal(states)
