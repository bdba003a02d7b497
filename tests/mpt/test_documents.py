"""T5 on rows one after another, against the same T5 on a padded batch."""

import pytest
import torch
from torch.testing import assert_close

from mpt.documents import Documents
from mpt.encoding import IGNORED, Batch
from mpt.prompt import Prefix

P = 3
LENGTHS = [9, 1, 5, 2]


@pytest.fixture(scope="module", params=["1.0", "1.1"])
def both(request, make_backbone):
    """One T5 that reads documents, and the same that reads padded batches."""
    packed, padded = (make_backbone(request.param, torch.float64) for _ in range(2))
    padded.documents = None
    return packed, padded


@pytest.fixture
def batch():
    draws = torch.Generator().manual_seed(0)
    mask = (torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS)[:, None]).long()
    ids = torch.randint(3, 250, mask.shape, generator=draws) * mask
    labels = torch.tensor([[5, 1, IGNORED], [7, 9, 1], [1, IGNORED, IGNORED], [8, 1, IGNORED]])
    return Batch(torch.tensor([0, 1, 1, 0]), ids, mask, labels)


def prompts(hidden_size):
    draws = torch.Generator().manual_seed(1)
    return torch.randn(2, P, hidden_size, generator=draws, dtype=torch.float64).requires_grad_()


def test_losses_gradients_and_states_are_those_of_a_padded_batch(both, batch):
    found = []
    for backbone in both:
        values = prompts(backbone.hidden_size)
        signals = backbone(Prefix(values, batch.task_ids), batch, (0, 1, -1), (1, -1))
        states = [one[signals.encoder_mask.bool()] for one in signals.encoder_hidden]
        loss = signals.loss + sum(one.square().mean() for one in states)
        found.append([loss, *torch.autograd.grad(loss, values), signals.logits, *states,
                      *signals.decoder_hidden])  # fmt: skip
    for ours, theirs in zip(*found, strict=True):
        assert_close(ours, theirs)


def test_scores_and_answers_are_those_of_a_padded_batch(both, batch):
    labels = [[5, 1], [7, 9, 4, 1], [6]]
    found = []
    for backbone in both:
        front = backbone.prepare([prompts(backbone.hidden_size)[0].detach()])
        reading = backbone.read(front, batch)
        found.append((backbone.score(reading, labels), backbone.write(reading, 6)))
    (scores, answers), (expected, texts) = found
    assert_close(scores, expected)
    assert answers == texts


def test_a_longer_row_after_a_short_one_has_its_own_distances(both):
    for length in (2, 40, 7):
        ids = torch.arange(length)[None] + 3
        batch = Batch(ids[:, 0], ids, torch.ones_like(ids), ids)
        ours, theirs = (one.read([], batch) for one in both)
        assert_close(ours.padded(), theirs.padded())


def test_what_is_packed_has_no_padding_and_comes_back_as_it_was(batch):
    documents = Documents.of(batch.mask)
    states = torch.randn(4, 9, 2) * batch.mask[:, :, None]
    packed = documents.pack(states)
    assert packed.shape == (1, sum(LENGTHS), 2)
    assert packed[0, documents.spans[2]].equal(states[2, :5])
    assert documents.unpack(packed).equal(states)


def test_the_encoder_computes_no_padding(both, batch):
    packed, _ = both
    seen = []
    linear = packed.model.encoder.block[0].layer[0].SelfAttention.q
    hook = linear.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].shape[:2]))
    packed(Prefix(prompts(packed.hidden_size), batch.task_ids), batch)
    hook.remove()
    assert seen == [(1, sum(LENGTHS) + 4 * P)]
