import pytest
import torch
from torch.testing import assert_close

from mpt import initial


def rows_of(backbone, prompt):
    """The token id of each row of a prompt made of embeddings."""
    table = backbone.model.shared.weight
    return [(table == row).all(dim=1).nonzero().item() for row in prompt]


def test_vocabulary_rows_are_different_tokens_fixed_by_the_seed(backbone):
    first, again, other = (
        initial.vocabulary(backbone, 10, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)
    )
    assert len(set(rows_of(backbone, first))) == 10
    assert first.equal(again)
    assert not first.equal(other)


def test_vocabulary_rows_are_common_tokens_only(backbone, generator, monkeypatch):
    monkeypatch.setattr(initial, "COMMON", 12)
    prompt = initial.vocabulary(backbone, 12, generator)
    assert sorted(rows_of(backbone, prompt)) == list(range(12))


def test_more_rows_than_tokens_are_refused(backbone, generator):
    with pytest.raises(initial.NoFirstValue, match="1000 tokens"):
        initial.vocabulary(backbone, 1000, generator)


def test_a_short_text_is_repeated_and_a_long_one_cut(backbone):
    ids = backbone.tokens(["a good film"])[0]
    assert len(ids) > 2
    prompt = initial.text(backbone, "a good film", len(ids) + 2)
    assert rows_of(backbone, prompt) == [*ids, *ids[:2]]
    assert rows_of(backbone, initial.text(backbone, "a good film", 2)) == ids[:2]


def test_a_text_without_words_is_refused(backbone):
    with pytest.raises(initial.NoFirstValue, match="no tokens"):
        initial.text(backbone, "", 4)


def test_a_first_value_is_float32_and_a_copy(make_backbone, generator):
    backbone = make_backbone("1.0", torch.bfloat16)
    before = backbone.model.shared.weight.clone()
    prompt = initial.vocabulary(backbone, 4, generator)
    assert prompt.dtype == torch.float32
    prompt += 1
    assert backbone.model.shared.weight.equal(before)


def test_the_mean_of_prompts_is_taken_number_by_number(generator):
    prompts = torch.randn(3, 4, 5, generator=generator)
    expected = (prompts[0] + prompts[1] + prompts[2]) / 3
    assert_close(initial.mean(list(prompts)), expected)


@pytest.mark.parametrize("prompts", [[], [torch.zeros(2, 3), torch.zeros(3, 3)]])
def test_prompts_of_no_common_shape_have_no_mean(prompts):
    with pytest.raises(initial.NoFirstValue, match="have no mean"):
        initial.mean(prompts)
