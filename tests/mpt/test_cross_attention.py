"""Attention to an input that has no keys and values, against Hugging Face's, which has."""

import copy

import peft
import pytest
import torch
from torch.testing import assert_close
from transformers import T5Config, T5ForConditionalGeneration

from mpt.cross_attention import CrossAttention, look_back_
from mpt.documents import Documents

LENGTHS = [7, 2, 4]
S = 3


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=40, d_model=12, d_kv=5, d_ff=16, num_layers=2, num_heads=4,
        decoder_start_token_id=0,
    )  # fmt: skip
    return T5ForConditionalGeneration(config).double().eval().requires_grad_(False)


@pytest.fixture(scope="module")
def usual(model):
    return model.decoder.block[1].layer[1].EncDecAttention


@pytest.fixture
def mask():
    return (torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS)[:, None])[:, None, None]


def inputs():
    draws = torch.Generator().manual_seed(1)
    shapes = ((len(LENGTHS), S, 12), (len(LENGTHS), max(LENGTHS), 12))
    return [
        torch.randn(shape, generator=draws, dtype=torch.float64).requires_grad_()
        for shape in shapes
    ]


def found(out, states, memory):
    weights = torch.arange(out.numel(), dtype=torch.float64).view_as(out).sin()
    return [out, *torch.autograd.grad((out * weights).sum(), (states, memory))]


@pytest.fixture
def expected(usual, mask):
    states, memory = inputs()
    out, *_ = usual(states, mask=mask, key_value_states=memory)
    return found(out, states, memory)


def test_outputs_and_gradients_are_those_with_keys_and_values(usual, mask, expected):
    states, memory = inputs()
    out, *_ = CrossAttention(usual)(states, mask=mask, key_value_states=memory)
    assert_close(found(out, states, memory), expected)


def test_a_mask_of_numbers_says_the_same_as_one_of_truths(usual, mask, expected):
    states, memory = inputs()
    numbers = torch.zeros(mask.shape, dtype=torch.float64).masked_fill(~mask, -1e300)
    out, *_ = CrossAttention(usual)(states, mask=numbers, key_value_states=memory)
    assert_close(found(out, states, memory), expected)


def test_each_document_is_seen_by_its_own_row_only(usual, mask, expected):
    states, memory = inputs()
    documents = Documents.of(mask[:, 0, 0])
    packed = documents.pack(memory)
    out, *_ = CrossAttention(usual)(states, mask=None, key_value_states=packed, documents=documents)
    assert_close(found(out, states, memory), expected)


def test_a_model_writes_the_same_answers(model):
    ours = copy.deepcopy(model)
    look_back_(ours)
    ids = torch.arange(1, 25).view(3, 8)
    asked = {"attention_mask": (ids % 8 < 6).long(), "max_new_tokens": 6, "min_new_tokens": 6}
    assert ours.generate(ids, **asked).equal(model.generate(ids, **asked))


def test_no_input_goes_through_the_keys_weights(usual):
    ours, called = CrossAttention(usual), []
    hooks = [one.register_forward_hook(lambda *_: called.append(1)) for one in (ours.k, ours.v)]
    states, memory = inputs()
    ours(states, mask=None, key_value_states=memory)
    for hook in hooks:
        hook.remove()
    assert not called


def test_what_peft_adapts_is_adapted(model, mask):
    found_in = []
    for look_back in (False, True):
        ours = copy.deepcopy(model)
        if look_back:
            look_back_(ours)
        torch.manual_seed(2)
        config = peft.LoraConfig(r=2, target_modules=["q", "k", "v", "o"], init_lora_weights=False)
        adapted = peft.get_peft_model(ours, config)
        attention = adapted.base_model.model.decoder.block[1].layer[1].EncDecAttention
        states, memory = inputs()
        out, *_ = attention(states, mask=mask, key_value_states=memory)
        out.square().sum().backward()
        trained = [one for one in attention.parameters() if one.requires_grad]
        assert len(trained) == 8
        found_in.append([out, states.grad, memory.grad, *(one.grad for one in trained)])
    for one, other in zip(*found_in, strict=True):
        assert_close(one, other)
