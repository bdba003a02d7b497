import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.testing import assert_close
from transformers import AutoConfig, BartConfig, ViTConfig

from mpt.encoder_decoder import EncoderDecoder
from mpt.encoding import Batch
from mpt.loading import UnknownBackbone, UnsupportedBackbone, load
from mpt.prompt import Prefix
from mpt.signals import UnknownLayer

P = 3


@pytest.fixture
def batch(backbone):
    texts = ["a good film", "the worst film I ever saw"]
    encoded = backbone.encode(texts, ["positive", "no"], max_input=50, max_answer=20)
    return encoded.batch([0, 1], [0, 0], "cpu")


@pytest.fixture
def prompt(backbone):
    draw = torch.Generator().manual_seed(0)
    return torch.randn(2, P, backbone.hidden_size, generator=draw, requires_grad=True)


def each(prompts):
    """A prompt of its own before every row."""
    return Prefix(prompts, torch.arange(len(prompts)))


def theirs(backbone, prompt, batch):
    """What Hugging Face says when the prompt is put before the input by hand."""
    embeds = backbone.model.shared(batch.input_ids)
    return backbone.model(
        inputs_embeds=torch.cat([prompt, embeds], dim=1),
        attention_mask=torch.cat([torch.ones(2, P, dtype=torch.long), batch.mask], dim=1),
        labels=batch.labels,
        output_hidden_states=True,
    )


def test_loss_logits_and_gradient_are_hugging_faces_own(backbone, prompt, batch):
    signals, expected = backbone(each(prompt), batch), theirs(backbone, prompt, batch)
    assert_close(signals.loss, expected.loss)
    assert_close(signals.logits, expected.logits)
    (ours,) = torch.autograd.grad(signals.loss, prompt)
    assert_close(ours, torch.autograd.grad(expected.loss, prompt)[0])


def test_the_faster_gelu_is_hugging_faces_function(exact, make_model):
    assert any(isinstance(module, torch.nn.GELU) for module in exact.modules())
    batch = exact.encode(["a good film"], ["positive"], 50, 20).batch([0], [0], "cpu")
    plain = make_model("1.1").double()(input_ids=batch.input_ids, labels=batch.labels)
    assert_close(exact(None, batch).logits, plain.logits, rtol=1e-5, atol=1e-6)


def test_without_a_prompt_the_backbone_reads_the_input_alone(backbone, batch):
    expected = backbone.model(
        input_ids=batch.input_ids, attention_mask=batch.mask, labels=batch.labels
    )
    assert_close(backbone(None, batch).logits, expected.logits)


def test_hidden_states_are_numbered_as_hugging_face_does(backbone, prompt, batch):
    expected = theirs(backbone, prompt, batch)
    layers = (0, 1, 2, -1, -2)
    signals = backbone(each(prompt), batch, encoder_layers=layers, decoder_layers=layers)
    tokens = signals.encoder_mask.bool()
    for place, layer in enumerate(layers):
        states = expected.encoder_hidden_states[layer]
        assert_close(signals.encoder_hidden[place][tokens], states[tokens])
        assert_close(signals.decoder_hidden[place], expected.decoder_hidden_states[layer])
    last = backbone(each(prompt), batch, decoder_layers=(-1,))
    assert_close(last.decoder_hidden[0], expected.decoder_hidden_states[-1])
    assert last.encoder_hidden == ()


@pytest.mark.parametrize("layer", [3, -4])
def test_a_layer_that_is_not_there_is_refused(backbone, prompt, batch, layer):
    with pytest.raises(UnknownLayer, match=f"no layer {layer}"):
        backbone(each(prompt), batch, encoder_layers=(layer,))


def test_padding_does_not_change_what_is_read(backbone, prompt, batch):
    alone = Batch(*(column[:1] for column in batch))
    keep = alone.mask[0].bool()
    alone = alone._replace(input_ids=alone.input_ids[:, keep], mask=alone.mask[:, keep])
    assert not keep.all()
    assert_close(backbone(each(prompt[:1]), alone).logits, backbone(each(prompt), batch).logits[:1])


def test_the_backbone_is_frozen_and_its_dropout_stays_off(make_backbone):
    backbone = make_backbone().train()
    assert not any(weight.requires_grad for weight in backbone.parameters())
    assert not any(module.training for module in backbone.modules())


def test_a_bfloat16_backbone_passes_a_float32_gradient_to_a_float32_prompt(make_backbone):
    half, full = make_backbone("1.1", torch.bfloat16), make_backbone("1.1")
    encoded = full.encode(["a good film"], ["positive"], 50, 20)
    batch = encoded.batch([0], [0], "cpu")
    prompt = torch.randn(1, P, 16, generator=torch.Generator().manual_seed(0), requires_grad=True)
    loss = half(each(prompt), batch).loss
    loss.backward()
    assert prompt.grad.dtype == torch.float32
    assert loss.dtype == torch.float32
    assert_close(loss, full(each(prompt), batch).loss, rtol=0.05, atol=0)


@pytest.fixture(params=["1.0", "1.1"])
def folder(request, make_model, tokenizer, tmp_path):
    make_model(request.param).to(torch.bfloat16).save_pretrained(tmp_path / "t5")
    tokenizer.save_pretrained(tmp_path / "t5")
    return tmp_path / "t5"


def test_a_folder_is_loaded_as_it_was_saved(folder, make_model, tokenizer):
    saved = load(str(folder), dtype=torch.float32)
    version = "1.1" if saved.model.config.is_gated_act else "1.0"
    built = EncoderDecoder(make_model(version).to(torch.bfloat16), tokenizer)
    assert {weight.dtype for weight in saved.parameters()} == {torch.float32}
    assert_close(dict(saved.named_parameters()), dict(built.named_parameters()), rtol=0, atol=0)
    batch = built.encode(["a good film"], ["maybe"], 50, 20).batch([0], [0], "cpu")
    assert_close(saved(None, batch).logits, built(None, batch).logits, rtol=0, atol=0)
    assert saved.tokens(["a good </s> film"]) == built.tokens(["a good </s> film"])


def test_the_digest_depends_on_neither_precision_folder_nor_transformers_version(folder, tmp_path):
    digest = load(str(folder)).digest
    assert len(digest) == 64
    assert load(str(folder), dtype=torch.bfloat16).digest == digest
    moved = shutil.move(folder, tmp_path / "elsewhere")
    config = json.loads((moved / "config.json").read_text())
    config |= {"transformers_version": "4.0.0", "_name_or_path": "/gone", "dropout_rate": 0.3}
    (moved / "config.json").write_text(json.dumps(config))
    assert load(str(moved)).digest == digest


def test_the_digest_is_the_same_after_the_tokenizer_has_padded_and_truncated(make_model, tokenizer):
    before = EncoderDecoder(make_model(), tokenizer).digest
    tokenizer(["a", "a good film"], padding=True, truncation=True, max_length=2)
    assert EncoderDecoder(make_model(), tokenizer).digest == before


def test_any_one_weight_word_or_constant_changes_the_digest(folder, tmp_path):
    digests = {load(str(folder)).digest}
    for change in (touch_weight, touch_tokenizer, touch_config):
        copy = shutil.copytree(folder, tmp_path / change.__name__)
        change(copy)
        digests.add(load(str(copy)).digest)
    assert len(digests) == 4


def touch_weight(folder):
    weights = load_file(folder / "model.safetensors")
    weights["decoder.block.1.layer.2.layer_norm.weight"][3] *= 1.01
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def touch_tokenizer(folder):
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["model"]["merges"].pop()
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))


def touch_config(folder):
    config = json.loads((folder / "config.json").read_text())
    config["relative_attention_max_distance"] = 64
    (folder / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize("config", [ViTConfig(), BartConfig()])
def test_what_is_no_t5_and_no_causal_model_is_refused_in_one_line(config, tmp_path):
    config.save_pretrained(tmp_path)
    with pytest.raises(UnsupportedBackbone, match="give a T5, or a causal model") as caught:
        load(str(tmp_path))
    assert "\n" not in str(caught.value)


def lose_a_weight(folder):
    weights = load_file(folder / "model.safetensors")
    del weights["decoder.final_layer_norm.weight"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def cut_weights(folder):
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])


def reshape_a_weight(folder):
    weights = load_file(folder / "model.safetensors")
    weights["decoder.final_layer_norm.weight"] = torch.ones(3)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def lose_the_weights(folder):
    (folder / "model.safetensors").unlink()


def lose_the_tokenizer(folder):
    for file in folder.glob("tokenizer*"):
        file.unlink()


def break_the_config(folder):
    (folder / "config.json").write_text("{")


@pytest.mark.parametrize(
    "damage",
    [
        lose_a_weight,
        cut_weights,
        reshape_a_weight,
        lose_the_weights,
        lose_the_tokenizer,
        break_the_config,
        shutil.rmtree,
    ],
)
def test_a_damaged_folder_is_refused_in_one_line(folder, damage, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    damage(folder)
    with pytest.raises(UnknownBackbone, match="no backbone could be loaded") as caught:
        load(str(folder))
    assert "\n" not in str(caught.value)


def test_the_length_is_what_the_tokenizer_or_else_the_config_declares(make_model, tokenizer):
    model = make_model()
    assert EncoderDecoder(model, tokenizer).max_length is None
    model.config.n_positions = 512
    assert EncoderDecoder(model, tokenizer).max_length == 512
    tokenizer.model_max_length = 77
    try:
        assert EncoderDecoder(model, tokenizer).max_length == 77
    finally:
        tokenizer.model_max_length = int(1e30)


def test_weights_that_are_tied_are_counted_once(folder, make_model):
    backbone = load(str(folder))
    config = AutoConfig.from_pretrained(folder)
    head = config.vocab_size * config.d_model
    names = {name for name, _ in backbone.model.named_parameters()}
    tied = config.is_gated_act is False
    assert ("lm_head.weight" in names) != tied
    total = sum(value.numel() for value in load_file(folder / "model.safetensors").values())
    assert backbone.num_parameters == total
    assert total > head * (1 if tied else 2)
