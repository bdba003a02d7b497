"""Rows behind different prompts in one batch, against each row alone behind its own."""

import pytest
import torch
from torch.testing import assert_close

from mpt.evaluate import Asked, answer_all, decode, label_scores
from mpt.loading import load

TEXTS = [
    ["a good film", "the worst film I ever saw, and the longest", "maybe"],
    ["", "great"],
    [],
    ["a great one, and a good one", "one"],
    ["film", "the film"],
]
LABELS = [("positive", "no"), ("maybe not", "no", "a great one"), ("no", "yes"), (), ()]
LENGTHS = [3, 1, 2, 5, 3]
WRITTEN = [0, 0, 0, 4, 6]


def prompts_for(backbone):
    draws = torch.Generator().manual_seed(0)
    dtype = backbone.model.dtype
    return [
        torch.randn(length, backbone.hidden_size, generator=draws, dtype=dtype)
        for length in LENGTHS
    ]


def asked_of(backbone):
    return [
        Asked(backbone.encode(texts, [""] * len(texts), 40, 8), labels, max_answer)
        for texts, labels, max_answer in zip(TEXTS, LABELS, WRITTEN, strict=True)
    ]


def alone(backbone, prompt, asked):
    """One row at a time, behind one prompt."""
    if asked.labels:
        return label_scores(backbone, prompt, asked.rows, asked.labels, 1)
    return decode(backbone, prompt, asked.rows, asked.max_answer, 1)


def check(backbone, batch_size, tolerance):
    prompts, asked = prompts_for(backbone), asked_of(backbone)
    found = answer_all(backbone, backbone.prepare(prompts), asked, batch_size)
    for prompt, one, answers in zip(prompts, asked, found, strict=True):
        expected = alone(backbone, prompt, one)
        if one.labels:
            assert answers.shape == (len(one.rows), len(one.labels))
            assert_close(answers.to(expected), expected, rtol=tolerance, atol=tolerance)
        else:
            assert answers == expected
    return found


@pytest.fixture(scope="module", params=["documents", "padded"])
def t5(request, make_backbone):
    """A T5 in float64, with rows one after another, or padded."""
    backbone = make_backbone("1.1", torch.float64)
    if request.param == "padded":
        backbone.documents = None
    return backbone


@pytest.fixture(params=["packed", "padded"])
def any_causal(request, causal, monkeypatch):
    """Each family of causal models, with rows one after another, or padded."""
    if request.param == "padded":
        monkeypatch.setattr(causal.causal, "packs", False)
    return causal


@pytest.mark.parametrize("batch_size", [1, 3, 4, 9])
def test_a_t5_answers_each_row_of_a_mixed_batch_as_if_it_were_alone(t5, batch_size):
    check(t5, batch_size, 1e-10)


@pytest.mark.parametrize("batch_size", [2, 4, 9])
def test_a_causal_model_answers_each_row_of_a_mixed_batch_as_if_it_were_alone(
    any_causal, batch_size
):
    check(any_causal, batch_size, 1e-10)


@pytest.mark.parametrize("name", ["nano-t5", "nano-lm"])
def test_in_float32_a_row_among_others_has_the_scores_that_it_has_alone(name):
    check(load(name), 9, 1e-6)


def test_a_different_prompt_gives_different_scores(t5, make_causal):
    """Else the tests above would pass with the prompts exchanged."""
    for backbone in (t5, make_causal("llama", torch.float64)):
        prompts, (asked, *_) = prompts_for(backbone), asked_of(backbone)
        one, other = (
            label_scores(backbone, prompt, asked.rows, asked.labels, 9) for prompt in prompts[:2]
        )
        assert (one - other).abs().min() > 1e-3


def test_a_prompt_that_no_row_of_a_batch_reads_is_not_looked_at(make_causal):
    backbone = make_causal("llama", torch.float64)
    prompts, asked = prompts_for(backbone), asked_of(backbone)[:1]
    asked += [one._replace(rows=backbone.encode([], [], 40, 8)) for one in asked_of(backbone)[1:]]
    seen = []
    hook = backbone.model.model.layers[0].self_attn.o_proj.register_forward_hook(
        lambda _, inputs, __: seen.append(inputs[0].shape[1])
    )
    front = backbone.prepare(prompts)
    assert seen == LENGTHS  # each prompt was run once, alone
    found = answer_all(backbone, front, asked, 9)
    hook.remove()
    assert seen[len(LENGTHS)] == int(asked[0].rows.input_starts[-1])
    expected = alone(backbone, prompts[0], asked[0])
    assert_close(found[0].to(expected), expected, rtol=1e-10, atol=1e-10)
    assert found[1].shape == (0, 3)
    assert found[3] == []


def test_rows_of_one_prompt_are_read_as_before_whatever_else_is_prepared():
    """A T5's front is what it was given: one prompt alone takes the path of an evaluation."""
    backbone = load("nano-t5")
    prompt = torch.full((4, backbone.hidden_size), 0.01)
    rows = backbone.encode(TEXTS[0], [""] * 3, 40, 8)
    once = label_scores(backbone, prompt, rows, ["yes", "no"], 2)
    again = answer_all(backbone, backbone.prepare([prompt]), [Asked(rows, ("yes", "no"))], 2)
    assert torch.equal(once, again[0].float())
