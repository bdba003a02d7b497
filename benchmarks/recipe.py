"""What the pretraining of one nano backbone consists of; `benchmarks.pretrain` runs it."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

Optimizers = list[tuple[torch.optim.Optimizer, float]]
"""Each with its peak learning rate."""


class Part(NamedTuple):
    """A part of a step: rows of one kind, what must be predicted of them, and its share of it."""

    tensors: tuple[Tensor, ...]
    names: list[str]  # [B], under which each row's loss is kept
    kind: str
    weight: float


class Recipe(ABC):
    """How one backbone is made, fed and trained."""

    name: str

    @abstractmethod
    def new_model(self) -> Any:
        """Return an untrained model."""

    @abstractmethod
    def optimizers(self, model: Any) -> Optimizers:
        """Return what moves its weights."""

    @abstractmethod
    def parts(
        self, tokenizer: PreTrainedTokenizerFast, tokens: np.ndarray, corpus: Path, seed: int,
        scale: int,
    ) -> Iterator[list[Part]]:  # fmt: skip
        """Yield the parts of each step, without end.

        Args:
            tokenizer: the backbone's.
            tokens: of all books, [N].
            corpus: their folder.
            seed: of all that is drawn.
            scale: times the rows of a CPU's step.
        """

    @abstractmethod
    def losses(self, model: Any, *tensors: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss of a part, and what to log of each of its rows, [B], in nats."""
