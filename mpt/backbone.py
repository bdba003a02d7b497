"""A frozen language model that reads a prompt before its input. Shapes are those of mpt.prompt.

Encoder-decoders (`mpt.encoder_decoder`) and decoder-only models (`mpt.decoder_only`) differ in what
they keep of a prompt; losses, training and scoring see only what is here.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from mpt.encoding import Batch, Encoded
from mpt.fingerprint import fingerprint
from mpt.memory import Size
from mpt.prompt import Prefix
from mpt.signals import Signals
from mpt.tokenizer import declared_length

Architecture = Literal["encoder-decoder", "decoder-only"]
Front = Any
"""What a backbone keeps of the prompts that stand before rows; its own affair."""
Reading = Any
"""What a backbone made of prompts and some inputs; its own affair, but that `take(rows)` is some
of its rows, by their places [n] in the batch."""


class Reader(ABC):
    """What reads inputs and answers them: a backbone, or a baseline that was trained."""

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Where the weights are."""

    @abstractmethod
    def label_ids(self, labels: Sequence[str]) -> list[list[int]]:
        """Return the token ids that write each of `labels`, as `score` wants them."""

    @abstractmethod
    def prepare(self, prompts: Sequence[Tensor]) -> Front:
        """Read `prompts` [P, H] once, for all the rows that they will stand before.

        Their lengths P may differ. None at all stands before nothing.
        """

    @abstractmethod
    def read(self, front: Front, batch: Batch) -> Reading:
        """Read the inputs of `batch`, each after one of the prompts that were prepared.

        A row's `task_ids` is the place of its prompt among them.
        """

    @abstractmethod
    def score(self, reading: Reading, labels: Sequence[Sequence[int]]) -> Tensor:
        """Return the log-probability of each of `labels` (`label_ids`), [B, labels], in nats."""

    @abstractmethod
    def write(self, reading: Reading, max_answer: int) -> list[str]:
        """Return the greedy answer to each row, of at most `max_answer` tokens."""


class Backbone(nn.Module, Reader):
    """A frozen model and its tokenizer. Its dropout stays off, whatever `train` says.

    Args:
        model: one of Hugging Face's; it is converted in place.
        tokenizer: its tokenizer.
        device: where it runs.
        dtype: in which precision it runs; prompts are float32 anyway.
    """

    architecture: ClassVar[Architecture]

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.digest = fingerprint(model, model.config, tokenizer)
        self.tokenizer = tokenizer
        self.model = model.to(device=device, dtype=dtype).requires_grad_(False).eval()
        self.hidden_size: int = model.get_input_embeddings().embedding_dim
        self.num_layers: int = model.config.num_hidden_layers
        self.num_heads: int = model.config.num_attention_heads
        self.vocab_size: int = model.config.vocab_size
        self.max_length = declared_length(tokenizer, model.config)
        self.num_parameters = sum(weight.numel() for weight in model.parameters())
        self._set_up()

    @abstractmethod
    def _set_up(self) -> None:
        """Do what this kind of model needs besides, once it is where it will run."""

    def train(self, mode: bool = True) -> "Backbone":
        """Stay in evaluation mode: dropout in a frozen model is only noise."""
        return super().train(False)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        device: torch.device = self.model.device
        return device

    @property
    def size(self) -> Size:
        """How large it is."""
        return Size.of(self.model.config, self.num_parameters, self.model.dtype.itemsize)

    @property
    def family(self) -> str:
        """What Hugging Face calls this kind of model, such as "t5" or "llama"."""
        return str(self.model.config.model_type)

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the token ids of each of `texts`, without an end of sequence."""
        if not texts:
            return []
        ids: list[list[int]] = self.tokenizer(
            list(texts), add_special_tokens=False, return_attention_mask=False, verbose=False
        )["input_ids"]
        return ids

    def embed(self, token_ids: Tensor) -> Tensor:
        """Return the input embeddings of `token_ids` [...], as [..., H]."""
        embeds: Tensor = self.model.get_input_embeddings()(token_ids)
        return embeds

    @abstractmethod
    def encode(
        self, inputs: Sequence[str], answers: Sequence[str], max_input: int, max_answer: int
    ) -> Encoded:
        """Tokenise examples; inputs and answers are cut to so many tokens."""

    @abstractmethod
    def forward(
        self,
        prefix: Prefix | None,
        batch: Batch,
        encoder_layers: Sequence[int] = (),
        decoder_layers: Sequence[int] = (),
    ) -> Signals:
        """Read `batch` under its prompts (or none), and predict its labels.

        The hidden states of layers other than the last cost memory.

        Raises:
            UnknownLayer: a layer is asked for that the backbone does not have.
        """

    @abstractmethod
    def logits(self, states: Tensor) -> Tensor:
        """Return what the head makes of last states [..., H]: logits [..., V]."""

    @abstractmethod
    def texts(self, ids: Tensor) -> list[str]:
        """Return the answers that token `ids` [B, S] write, each up to its end."""

    @abstractmethod
    def ended(self, ids: Tensor) -> bool:
        """Say whether each of the answers that begin with `ids` [B, S] is at its end."""


def precise(logits: Tensor) -> Tensor:
    """Return logits in float32, or in float64 if they are."""
    return logits if logits.dtype == torch.float64 else logits.float()
