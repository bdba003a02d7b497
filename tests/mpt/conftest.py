"""Tiny random T5s with a real byte-level tokenizer, built here: nothing is downloaded."""

import copy

import pytest
import torch
from tokenizers import processors
from transformers import (
    AutoModelForCausalLM,
    BloomConfig,
    Gemma2Config,
    GPT2Config,
    LlamaConfig,
    MistralConfig,
    OPTConfig,
    Qwen2Config,
    Qwen3Config,
    T5Config,
    T5ForConditionalGeneration,
)

from mpt.decoder_only import DecoderOnly
from mpt.encoder_decoder import EncoderDecoder

TEXTS = ["a good film, and a great one", "the worst film I ever saw", "positive negative maybe"]
SIZE = {"d_model": 16, "d_kv": 4, "d_ff": 32, "num_layers": 2, "num_heads": 4}


@pytest.fixture(scope="session")
def tokenizer(make_tokenizer):
    return make_tokenizer(TEXTS, 320)


@pytest.fixture(scope="session")
def make_model(tokenizer):
    """Return a maker of random T5s: "1.0" has ReLU and ties its head, "1.1" does neither."""

    def make(version="1.0", seed=0):
        torch.manual_seed(seed)
        gated = {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}
        shape = SIZE | {"vocab_size": len(tokenizer), "decoder_start_token_id": 0}
        model = T5ForConditionalGeneration(T5Config(**shape, **(gated if version == "1.1" else {})))
        if version == "1.1":
            model.lm_head.weight = torch.nn.Parameter(torch.randn(len(tokenizer), SIZE["d_model"]))
        with torch.no_grad():  # T5's own start is so flat that attention would hardly matter
            for name, weight in model.named_parameters():
                if name.endswith(("q.weight", "relative_attention_bias.weight")):
                    weight.normal_(std=0.5)
        return model.eval()

    return make


@pytest.fixture(scope="session")
def make_backbone(make_model, tokenizer):
    def make(version="1.0", dtype=torch.float32, seed=0):
        return EncoderDecoder(make_model(version, seed), tokenizer, dtype=dtype)

    return make


@pytest.fixture(scope="session", params=["1.0", "1.1"])
def backbone(request, make_backbone):
    """Either T5, in float32. Shared by all tests: nothing may change it."""
    return make_backbone(request.param)


@pytest.fixture(scope="session")
def exact(make_backbone):
    """A smooth T5 in float64: ReLU's kinks would spoil a comparison of gradients."""
    return make_backbone("1.1", torch.float64)


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


FAMILIES = {
    "llama": (LlamaConfig, {"num_key_value_heads": 2, "tie_word_embeddings": False}),
    "gpt2": (GPT2Config, {"tie_word_embeddings": True}),
    "mistral": (MistralConfig, {"num_key_value_heads": 2, "sliding_window": 400}),
    "qwen2": (Qwen2Config, {"num_key_value_heads": 4, "tie_word_embeddings": True}),
    "qwen3": (Qwen3Config, {"num_key_value_heads": 1, "head_dim": 8}),
    "opt": (OPTConfig, {"ffn_dim": 32, "word_embed_proj_dim": 12}),
    "bloom": (BloomConfig, {}),
}
CAPPED = {"gemma2": (Gemma2Config, {"head_dim": 8, "final_logit_softcapping": 0.1})}
"""Of each family: grouped and plain heads, tied and untied ones, an embedding of another width."""


@pytest.fixture(scope="session")
def make_causal(tokenizer):
    """Return a maker of random causal models."""

    def make(family, dtype=torch.float32, **changes):
        config, own = (FAMILIES | CAPPED)[family]
        shape = {
            "vocab_size": len(tokenizer), "hidden_size": 16, "num_hidden_layers": 2,
            "num_attention_heads": 4, "bos_token_id": 1, "eos_token_id": 1, "pad_token_id": 0,
            "max_position_embeddings": 512,
        }  # fmt: skip
        if family not in {"gpt2", "opt", "bloom"}:
            shape["intermediate_size"] = 32
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(config(**shape | own | changes))
        with torch.no_grad():  # their own start is so flat that a prompt would hardly matter
            for name, weight in model.named_parameters():
                if weight.ndim == 2 and "embed" not in name:
                    weight.normal_(std=0.3)
        return DecoderOnly(model.float(), tokenizer, dtype=dtype)

    return make


@pytest.fixture(scope="session", params=FAMILIES)
def causal(request, make_causal):
    """Any family, in float64. Shared by all tests: nothing may change it."""
    return make_causal(request.param, torch.float64)


def with_tokenizer(backbone, change):
    """The same model with a changed copy of its tokenizer."""
    tokenizer = copy.deepcopy(backbone.tokenizer)
    change(tokenizer.backend_tokenizer)
    return DecoderOnly(backbone.model, tokenizer)


@pytest.fixture(scope="session")
def make_beginning():
    """Return a maker of backbones whose tokenizer puts a token before each text."""

    def begin(backend):
        backend.post_processor = processors.TemplateProcessing(
            single="</s> $A", special_tokens=[("</s>", 1)]
        )

    return lambda backbone: with_tokenizer(backbone, begin)


@pytest.fixture(scope="session")
def make_merging():
    """Return a maker of backbones whose tokenizer makes one token of ": no"."""
    return lambda backbone: with_tokenizer(backbone, lambda backend: backend.add_tokens([": no"]))
