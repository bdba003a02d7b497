"""Tiny random T5s with a real byte-level tokenizer, built here: nothing is downloaded."""

import pytest
import torch
from transformers import T5Config, T5ForConditionalGeneration

from mpt.backbone import Backbone

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
        return Backbone(make_model(version, seed), tokenizer, dtype=dtype)

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
