"""nano-t5: an encoder-decoder of 10M weights that answers questions about a text.

Why Adafactor: T5 does not divide its attention scores by sqrt(d), so steps must be in proportion to
a weight's own size, or the softmax saturates within a hundred steps and no gradient passes.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import Adafactor, PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

from benchmarks.mixture import Mixture
from benchmarks.pretraining_rows import SupervisedRows, snippets
from benchmarks.recipe import Optimizers, Part, Recipe
from mpt.encoder_decoder import fuse_gelu_

PEAK = 7e-3


class NanoT5(Recipe):
    """A T5 of 10M weights."""

    name = "nano-t5"

    def new_model(self) -> T5ForConditionalGeneration:
        """Return an untrained T5 of 10M weights."""
        config = T5Config(
            vocab_size=8192, d_model=256, d_kv=64, d_ff=768, num_layers=4, num_decoder_layers=4,
            num_heads=4, feed_forward_proj="gated-gelu", tie_word_embeddings=True,
            dropout_rate=0.0, decoder_start_token_id=0, pad_token_id=0, eos_token_id=1,
            n_positions=512,
        )  # fmt: skip
        model = T5ForConditionalGeneration(config)
        fuse_gelu_(model)
        return model

    def optimizers(self, model: Any) -> Optimizers:
        """Return Adafactor, its rate scaled by each weight's RMS."""
        optimizer = Adafactor(
            model.parameters(), lr=PEAK, scale_parameter=True, relative_step=False,
            warmup_init=False, clip_threshold=1.0,
        )  # fmt: skip
        return [(optimizer, PEAK)]

    def parts(
        self, tokenizer: PreTrainedTokenizerFast, tokens: np.ndarray, corpus: Path, seed: int,
        scale: int,
    ) -> Iterator[list[Part]]:  # fmt: skip
        """Yield supervised rows and windows of books."""
        supervised = SupervisedRows(seed, snippets(corpus))
        mixture = Mixture(tokenizer, tokens, supervised, np.random.default_rng(seed), scale)
        step = 0
        while True:
            yield list(mixture.step(step))
            step += 1

    def losses(self, model: Any, *tensors: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean of the rows' losses, and each row's mean over its target tokens."""
        inputs, labels = tensors
        logits = model(input_ids=inputs, attention_mask=inputs != 0, labels=labels).logits
        losses = torch.nn.functional.cross_entropy(
            logits.float().transpose(1, 2), labels, ignore_index=-100, reduction="none"
        )
        kept = labels != -100
        rows = (losses * kept).sum(1) / kept.sum(1)
        return rows.mean(), rows.detach()
