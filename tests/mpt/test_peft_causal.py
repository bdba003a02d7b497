"""Prompts of decoder-only models as PEFT's adapters, both ways."""

import pytest
import torch
from peft import MultitaskPromptTuningConfig, PeftModel, PromptTuningConfig, get_peft_model
from torch.testing import assert_close

from mpt import peft_format
from mpt.encoding import IGNORED
from mpt.prompt import MultitaskPrompt, SoftPrompt

P, K = 3, 2
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


@pytest.fixture(params=["llama", "gpt2"])
def family(request):
    return request.param


@pytest.fixture
def backbone(make_causal, family):
    return make_causal(family)


@pytest.fixture
def prompt(backbone, generator):
    shape = backbone.hidden_size
    return MultitaskPrompt(
        torch.randn(P, shape, generator=generator),
        [torch.randn(P, 2, generator=generator) for _ in range(K)],
        [torch.randn(2, shape, generator=generator) for _ in range(K)],
    )


def ours(backbone, prompt, k):
    """Return our logits of the answer to one input behind task k's prompt, and the whole text."""
    encoded = backbone.encode(["the worst film I ever saw"], ["positive"], 50, 20)
    batch = encoded.batch([0], [k], "cpu")
    answer = batch.labels[batch.labels != IGNORED]
    text = torch.cat([batch.input_ids[batch.mask.bool()], answer]).unsqueeze(0)
    return backbone(prompt(batch.task_ids), batch).logits.flatten(0, -2), text, len(answer)


def theirs(model, text, count, **more):
    """Return PEFT's logits where the last `count` tokens of `text` [1, S] are predicted."""
    with torch.no_grad():
        said = model(input_ids=text, attention_mask=torch.ones_like(text), **more).logits
    return said[0, -count - 1 : -1]


def test_peft_loads_an_export_with_equal_logits(backbone, prompt, make_causal, family, tmp_path):
    peft_format.export(prompt, tmp_path, backbone, "mine")
    loaded = PeftModel.from_pretrained(make_causal(family).model, tmp_path).eval()
    for k in range(K):
        logits, text, count = ours(backbone, prompt, k)
        said = theirs(loaded, text, count, task_ids=torch.tensor([k]))
        assert_close(said, logits[-count:].detach(), **CLOSE)


def test_peft_loads_a_fused_export_with_equal_logits(
    backbone, prompt, make_causal, family, tmp_path
):
    peft_format.export(peft_format.fuse(prompt, 1), tmp_path, backbone, "mine")
    loaded = PeftModel.from_pretrained(make_causal(family).model, tmp_path).eval()
    logits, text, count = ours(backbone, prompt, 1)
    assert_close(theirs(loaded, text, count), logits[-count:].detach(), **CLOSE)


@pytest.mark.parametrize(("config", "kind"), [
    (MultitaskPromptTuningConfig(
        task_type="CAUSAL_LM", num_tasks=K, num_ranks=2, num_virtual_tokens=P
    ), MultitaskPrompt),
    (PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=P), SoftPrompt),
])  # fmt: skip
def test_what_peft_saved_comes_back_with_equal_logits(
    config, kind, backbone, make_causal, family, tmp_path
):
    model = get_peft_model(make_causal(family).model, config).eval()
    for weight in model.prompt_encoder["default"].parameters():
        torch.nn.init.normal_(weight)
    model.save_pretrained(tmp_path)

    prompt, _, architecture = peft_format.read(tmp_path)

    assert isinstance(prompt, kind)
    assert architecture == "decoder-only"
    logits, text, count = ours(backbone, prompt, 0)
    which = {"task_ids": torch.tensor([0])} if kind is MultitaskPrompt else {}
    assert_close(theirs(model, text, count, **which), logits[-count:].detach(), **CLOSE)
