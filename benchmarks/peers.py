"""What our side of a comparison and PEFT's have in common: a random model, and texts. Shapes: mpt.

C tokens in front (a context or a prompt)    B rows    S tokens of a row, padded
"""

import copy
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal, Protocol

import peft
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from mpt.decoder_only import DecoderOnly
from mpt.encoder_decoder import EncoderDecoder

BATCHES = 4  # that are not alike: a new shape costs something, and both sides must pay for it

Outcome = dict[str, Tensor]
"""What a side computed, by name: a loss and its gradients, or scores."""


@dataclass(frozen=True)
class Shape:
    """How large the work is."""

    context: int  # C
    batch: int  # B
    layers: int = 8
    width: int = 512
    heads: int = 8
    vocabulary: int = 32000
    model: Literal["llama", "t5"] = "llama"
    text: int = 60
    """Tokens of a middling row, where a case does not say them itself."""
    labels: int = 2
    """How many a task has, where they are ranked."""

    @property
    def feed_forward(self) -> int:
        """The model's own proportion: for Llama 8/3 of the width, in whole 32s; for T5 v1.1 2."""
        if self.model == "t5":
            return 2 * self.width
        return 32 * math.ceil(self.width * 8 / 3 / 32)

    @property
    def body(self) -> int:
        """The parameters that each token meets, without the head; in T5, in the encoder."""
        return self.layers * self.width * (4 * self.width + 3 * self.feed_forward)

    @property
    def cross(self) -> int:
        """The parameters of T5's decoder that each token of an input meets besides."""
        return self.layers * 2 * self.width**2

    @property
    def decoder(self) -> int:
        """The parameters that each token of an answer meets in T5, without the head."""
        return self.body + self.cross

    @property
    def head(self) -> int:
        """The parameters that each predicted token meets besides."""
        return self.width * self.vocabulary


def flops(
    shape: Shape, lengths: Sequence[int], predicted: int, *, behind: int = 0, training: bool
) -> float:
    """Return the operations on texts of so many tokens, each behind `behind` more, by formula.

    2 for a parameter and token, and 4 for a channel and a pair of tokens of which one sees the
    other; a backward pass to the inputs takes 2, and 10. The head meets `predicted` tokens.
    """
    weight, pair = (4, 14) if training else (2, 4)
    pairs = sum(length * (behind + length / 2) for length in lengths)
    parameters = shape.body * sum(lengths) + shape.head * predicted
    return weight * parameters + pair * shape.width * shape.layers * pairs


@dataclass(frozen=True)
class Setting:
    """A model, and where and how it runs."""

    shape: Shape
    device: str = "cpu"
    dtype: torch.dtype = torch.float32
    kernels: Literal["same", "best"] = "same"
    seed: int = 0

    @property
    def tolerance(self) -> float:
        """How far apart results may be, in the largest of the peer's values."""
        if self.dtype == torch.float32 and self.kernels == "best":
            return 1e-2
        return {torch.float64: 1e-5, torch.float32: 1e-5, torch.bfloat16: 0.1}[self.dtype]

    @contextmanager
    def running(self, side: str) -> Iterator[None]:
        """Run a side as it is run in this precision: in bfloat16, PEFT's under autocast.

        The best kernels are those that a user of either may ask for: float32 by way of bfloat16.
        """
        before = torch.get_float32_matmul_precision()
        best = self.kernels == "best" and self.dtype == torch.float32
        torch.set_float32_matmul_precision("medium" if best else before)
        kind = torch.device(self.device).type
        with torch.autocast(kind, enabled=self.dtype == torch.bfloat16 and side != "ours"):
            yield
        torch.set_float32_matmul_precision(before)

    @cached_property
    def model(self) -> Any:
        """A random model; each side takes a copy."""
        torch.manual_seed(self.seed)
        return self._t5() if self.shape.model == "t5" else self._llama()

    def _t5(self) -> Any:
        config = T5Config(
            vocab_size=self.shape.vocabulary, d_model=self.shape.width,
            d_kv=self.shape.width // self.shape.heads, d_ff=self.shape.feed_forward,
            num_layers=self.shape.layers, num_heads=self.shape.heads,
            feed_forward_proj="gated-gelu", decoder_start_token_id=0, pad_token_id=0,
            eos_token_id=2,
        )  # fmt: skip
        return T5ForConditionalGeneration(config).eval()

    def _llama(self) -> Any:
        config = LlamaConfig(
            vocab_size=self.shape.vocabulary, hidden_size=self.shape.width,
            intermediate_size=self.shape.feed_forward, num_hidden_layers=self.shape.layers,
            num_attention_heads=self.shape.heads, max_position_embeddings=2048,
            tie_word_embeddings=False,
            attn_implementation="sdpa", bos_token_id=1, eos_token_id=2, pad_token_id=0,
        )  # fmt: skip
        return LlamaForCausalLM(config).eval()

    def backbone(self) -> Any:
        """Return our side of the model."""
        tokenizer = word_tokenizer(self.shape.vocabulary)
        make = EncoderDecoder if self.shape.model == "t5" else DecoderOnly
        return make(copy.deepcopy(self.model), tokenizer, self.device, self.dtype)

    def in_peft(self, config: Any) -> Any:
        """Return PEFT's side of the model, in training mode, as PEFT leaves it: for autocast."""
        return self.own(peft.get_peft_model(copy.deepcopy(self.model), config))

    def tuned(self, model: Any) -> Any:
        """Return PEFT's model as a user in a hurry has it: compiled, where that is fast."""
        return torch.compile(model, dynamic=True) if self.device.startswith("cuda") else model

    def draws(self) -> torch.Generator:
        """Return where all that is random in the texts comes from."""
        return torch.Generator().manual_seed(self.seed)

    def text(self, draws: torch.Generator, length: int) -> list[int]:
        """Return so many random tokens, none of which is special."""
        drawn = torch.randint(3, self.shape.vocabulary, (length,), generator=draws)
        ids: list[int] = drawn.tolist()
        return ids

    def own(self, module: nn.Module) -> Any:
        """Return a module where the model is, and in float64 where the model is."""
        return module.to(self.device, torch.float64 if self.dtype == torch.float64 else None)

    def padded(self, rows: Sequence[Sequence[int]], side: str = "right") -> tuple[Tensor, Tensor]:
        """Return rows of ids and the mask of their tokens, [B, S] each, padded with 0."""
        ids = [torch.tensor(row) for row in rows]
        mask = [torch.ones_like(row) for row in ids]
        both = [pad_sequence(one, batch_first=True, padding_side=side) for one in (ids, mask)]
        return both[0].to(self.device), both[1].to(self.device)


class Work(Protocol):
    """The same work, done by each side: a method `ours`, and one for each of `peers`.

    Each takes the number of a batch, and begins with lists of tokens.
    """

    peers: ClassVar[Sequence[str]]
    """Against whom; the first is run twice in each round, against itself."""

    def __init__(self, setting: Setting) -> None: ...

    def ours(self, at: int) -> Outcome:
        """Return what we compute."""

    def flops(self) -> tuple[float, float]:
        """Return the operations of all batches by formula: ours, and the first peer's."""


def word_tokenizer(vocabulary: int) -> PreTrainedTokenizerFast:
    """Return a tokenizer of so many words, one token each."""
    words = ["<pad>", "<s>", "</s>", "answer:", *(f"w{at}" for at in range(vocabulary - 4))]
    model = models.WordLevel({word: at for at, word in enumerate(words)}, unk_token="<pad>")
    backend = Tokenizer(model)
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<pad>")


def gradient(weight: Tensor) -> Tensor:
    """Return the gradient of a weight; none is zero, as PEFT has it."""
    return torch.zeros_like(weight) if weight.grad is None else weight.grad.detach().clone()
