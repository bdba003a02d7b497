"""Causal models from a folder, as anybody would save them."""

import pytest
import torch
from torch.testing import assert_close

from mpt.decoder_only import DecoderOnly
from mpt.encoder_decoder import EncoderDecoder
from mpt.loading import UnknownBackbone, UnsupportedBackbone, load, ruler

FAMILIES = ["llama", "gpt2", "mistral", "qwen2", "qwen3", "opt", "bloom"]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_causal_model_is_loaded_from_a_folder_as_it_was_saved(make_causal, family, tmp_path):
    backbone = make_causal(family)
    backbone.model.save_pretrained(tmp_path)
    backbone.tokenizer.save_pretrained(tmp_path)
    saved = load(str(tmp_path))
    assert isinstance(saved, DecoderOnly)
    assert saved.digest == load(str(tmp_path), dtype=torch.bfloat16).digest
    batch = backbone.encode(["a good film"], ["maybe"], 50, 9).batch([0], [0], "cpu")
    assert_close(saved(None, batch).logits, backbone(None, batch).logits)


def test_another_weight_or_rotation_is_another_backbone(make_causal):
    digests = {make_causal("llama", **changes).digest for changes in (
        {}, {"rms_norm_eps": 1e-3}, {"num_key_value_heads": 1},
        {"rope_parameters": {"rope_type": "default", "rope_theta": 500.0}},
    )}  # fmt: skip
    assert len(digests) == 4


def test_a_t5_is_still_an_encoder_decoder():
    assert isinstance(load("nano-t5"), EncoderDecoder)


def test_a_model_that_changes_its_logits_after_the_head_is_refused(make_causal, tmp_path):
    backbone = make_causal("gemma2")
    backbone.model.save_pretrained(tmp_path)
    backbone.tokenizer.save_pretrained(tmp_path)
    with pytest.raises(UnsupportedBackbone, match="otherwise in two parts than in one"):
        load(str(tmp_path))


@pytest.mark.parametrize("kind", ["tiny_backbone", "tiny_lm"])
def test_inputs_are_measured_without_weights_as_they_are_encoded(kind, request):
    folder = request.getfixturevalue(kind)
    backbone = load(folder)
    texts = ["a good film", "", "Ünder — 汉字 and so on " * 9]
    limit, lengths = ruler(folder)
    assert limit == backbone.max_length
    assert lengths(texts) == backbone.encode(texts, ["x"] * 3, 400, 4).lengths()


def test_what_cannot_be_opened_cannot_be_measured(tmp_path):
    with pytest.raises(UnknownBackbone, match="no backbone could be loaded"):
        ruler(str(tmp_path / "none"))
