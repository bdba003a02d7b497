import json

import pytest
import torch
from peft import (
    MultitaskPromptTuningConfig,
    PeftModel,
    PromptTuningConfig,
    get_peft_model,
)
from safetensors.torch import save
from torch.testing import assert_close

from mpt import peft_format
from mpt.peft_format import BadPrompt
from mpt.prompt import MultitaskPrompt, SoftPrompt

P, H, K = 5, 16, 3
CLOSE = {"rtol": 1e-5, "atol": 5e-5}  # float32 logits of size 10, summed in another order


@pytest.fixture(params=[1, 2])
def prompt(request, generator):
    def draw(*shape):
        return torch.randn(*shape, generator=generator)

    rank = request.param
    return MultitaskPrompt(
        draw(P, H), [draw(P, rank) for _ in range(K)], [draw(rank, H) for _ in range(K)]
    )


@pytest.fixture
def batch(backbone):
    encoded = backbone.encode(["a good film", "the worst"], ["positive", "no"], 50, 20)
    return encoded.batch([0, 1], [0, 2], "cpu")


def peft_logits(model, batch, **kwargs):
    return model(
        input_ids=batch.input_ids, attention_mask=batch.mask, labels=batch.labels, **kwargs
    ).logits


def peft_loads(backbone, make_backbone, folder):
    version = "1.1" if backbone.model.config.is_gated_act else "1.0"
    return PeftModel.from_pretrained(make_backbone(version).model, folder).eval()


def test_peft_loads_an_export_with_equal_logits_for_every_task(
    backbone, make_backbone, prompt, batch, tmp_path
):
    peft_format.export(prompt, tmp_path / "adapter", backbone, "nano-t5")
    theirs = peft_loads(backbone, make_backbone, tmp_path / "adapter")
    for k in range(K):
        ids = torch.tensor([k, (k + 1) % K])
        ours = backbone(prompt(ids), batch).logits
        assert_close(peft_logits(theirs, batch, task_ids=ids), ours, **CLOSE)


def test_a_fused_export_is_a_vanilla_prompt_with_the_logits_of_its_task(
    backbone, make_backbone, prompt, batch, tmp_path
):
    for k in range(K):
        folder = tmp_path / str(k)
        peft_format.export(peft_format.fuse(prompt, k), folder, backbone, "nano-t5")
        assert json.loads((folder / "adapter_config.json").read_text())["peft_type"] == (
            "PROMPT_TUNING"
        )
        theirs = peft_loads(backbone, make_backbone, folder)
        ours = backbone(prompt(torch.tensor([k, k])), batch).logits
        assert_close(peft_logits(theirs, batch), ours, **CLOSE)


def test_an_adapter_that_peft_saved_comes_back_with_its_logits(make_backbone, batch, tmp_path):
    config = MultitaskPromptTuningConfig(
        task_type="SEQ_2_SEQ_LM",
        num_tasks=K,
        num_ranks=2,
        num_virtual_tokens=P,
        num_transformer_submodules=1,
    )
    theirs = get_peft_model(make_backbone().model, config).eval()
    torch.nn.init.normal_(theirs.prompt_encoder["default"].prefix_task_cols)
    theirs.save_pretrained(tmp_path)

    prompt, _, architecture = peft_format.read(tmp_path)

    assert isinstance(prompt, MultitaskPrompt)
    assert architecture == "encoder-decoder"
    ids = torch.tensor([2, 1])
    ours = make_backbone()(prompt(ids), batch).logits
    assert_close(ours, peft_logits(theirs, batch, task_ids=ids), **CLOSE)


def test_a_vanilla_adapter_that_peft_saved_comes_back(make_backbone, tmp_path):
    config = PromptTuningConfig(
        task_type="SEQ_2_SEQ_LM", num_virtual_tokens=P, num_transformer_submodules=1
    )
    theirs = get_peft_model(make_backbone().model, config)
    theirs.save_pretrained(tmp_path)
    prompt = peft_format.read(tmp_path).prompt
    assert isinstance(prompt, SoftPrompt)
    assert_close(prompt.tokens, theirs.prompt_encoder["default"].embedding.weight)


def test_an_adapter_with_a_prompt_before_the_decoder_is_refused(make_backbone, tmp_path):
    config = PromptTuningConfig(task_type="SEQ_2_SEQ_LM", num_virtual_tokens=P)
    get_peft_model(make_backbone().model, config).save_pretrained(tmp_path)
    with pytest.raises(BadPrompt, match="num_transformer_submodules"):
        peft_format.read(tmp_path)


def test_loss_and_every_gradient_agree_with_peft_in_float64(exact, make_backbone, prompt):
    encoded = exact.encode(["a good film", "the worst"], ["positive", "no"], 50, 20)
    batch = encoded.batch([0, 1], [0, 2], "cpu")
    config = MultitaskPromptTuningConfig(
        task_type="SEQ_2_SEQ_LM",
        num_tasks=K,
        num_ranks=prompt.rank,
        num_virtual_tokens=P,
        num_transformer_submodules=1,
    )
    peft = get_peft_model(make_backbone("1.1", torch.float64).model, config).double().eval()
    theirs, ours = peft.prompt_encoder["default"], prompt.double()
    with torch.no_grad():
        theirs.embedding.weight.copy_(ours.shared)
        theirs.prefix_task_cols.copy_(torch.stack(list(ours.u)))
        theirs.prefix_task_rows.copy_(torch.stack(list(ours.v)))

    loss = exact(ours(batch.task_ids), batch).loss
    loss.backward()
    expected = peft(
        input_ids=batch.input_ids,
        attention_mask=batch.mask,
        labels=batch.labels,
        task_ids=batch.task_ids,
    ).loss
    expected.backward()

    # 1e-6: T5's norm computes in float32 on both sides
    assert_close(loss, expected, rtol=1e-6, atol=1e-8)
    assert_close(ours.shared.grad, theirs.embedding.weight.grad, rtol=1e-5, atol=1e-6)
    for k in (0, 2):
        assert_close(ours.u[k].grad, theirs.prefix_task_cols.grad[k], rtol=1e-5, atol=1e-6)
        assert_close(ours.v[k].grad, theirs.prefix_task_rows.grad[k], rtol=1e-5, atol=1e-6)
    assert ours.u[1].grad is None
    assert not theirs.prefix_task_cols.grad[1].any()


def test_packing_is_deterministic_and_undone_by_unpacking(prompt):
    data = peft_format.pack(prompt)
    back = peft_format.unpack(data)
    assert peft_format.pack(back) == data
    assert_close(dict(back.state_dict()), dict(prompt.state_dict()), rtol=0, atol=0)


def test_a_vanilla_prompt_is_packed_and_unpacked(generator):
    prompt = SoftPrompt(torch.randn(P, H, generator=generator))
    assert peft_format.unpack(peft_format.pack(prompt)).tokens.equal(prompt.tokens)


def test_a_prompt_trained_in_half_precision_comes_back_in_float32(prompt):
    halves = {name: value.half() for name, value in peft_format.to_tensors(prompt).items()}
    back = peft_format.unpack(save(halves))
    assert {parameter.dtype for parameter in back.parameters()} == {torch.float32}


def changed(**changes):
    tensors = {
        "prompt_embeddings": torch.ones(P, H),
        "prefix_task_cols": torch.ones(K, P, 2),
        "prefix_task_rows": torch.ones(K, 2, H),
    }
    tensors |= changes
    return {name: tensor for name, tensor in tensors.items() if tensor is not None}


@pytest.mark.parametrize(
    "tensors",
    [
        {},
        {"shared": torch.ones(P, H)},
        changed(prefix_task_rows=None),
        changed(extra=torch.ones(1)),
        changed(prompt_embeddings=torch.ones(P)),
        changed(prompt_embeddings=torch.ones(P + 1, H)),
        changed(prefix_task_rows=torch.ones(K, 2, H + 1)),
        changed(prefix_task_rows=torch.ones(K + 1, 2, H)),
        changed(prefix_task_cols=torch.ones(K, P, 1)),
        changed(prefix_task_cols=torch.ones(0, P, 2), prefix_task_rows=torch.ones(0, 2, H)),
        changed(prefix_task_cols=torch.ones(P, 2)),
        changed(prompt_embeddings=torch.ones(P, H, dtype=torch.int64)),
        changed(prompt_embeddings=torch.full((P, H), torch.nan)),
        changed(prefix_task_cols=torch.full((K, P, 2), torch.inf)),
    ],
)
def test_tensors_that_are_no_prompt_are_refused_in_one_line(tensors):
    with pytest.raises(BadPrompt, match="not a prompt") as caught:
        peft_format.from_tensors(tensors)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"not safetensors", b"\x80\x04pickle"])
def test_bytes_that_are_no_safetensors_are_refused(data):
    with pytest.raises(BadPrompt, match="not a safetensors file"):
        peft_format.unpack(data)


@pytest.mark.parametrize("config", [None, "{", "[]"])
def test_a_folder_that_is_no_adapter_is_refused(config, tmp_path):
    (tmp_path / "adapter_model.safetensors").write_bytes(b"")
    if config is not None:
        (tmp_path / "adapter_config.json").write_text(config)
    with pytest.raises(BadPrompt):
        peft_format.read(tmp_path)
