"""What one step of pretraining reads: supervised rows, and windows of books."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from benchmarks.pretraining_rows import SENTINELS, SupervisedRows, corrupt_spans, hide_some
from benchmarks.recipe import Part

# An answer is one or two tokens with a small loss: unweighted, the books' gradient drowns it.
WEIGHTS = {"supervised": 0.7, "copy": 0.15, "span": 0.15}
LONGEST = 128  # tokens of an input
PART = 32  # rows of one forward pass, times the scale


class TokenRow(NamedTuple):
    """One row to learn from, and under which name its loss is kept."""

    input_ids: list[int]
    labels: list[int]
    name: str


@dataclass
class Mixture:
    """Draws the rows of each step."""

    tokenizer: PreTrainedTokenizerFast
    tokens: np.ndarray
    supervised: SupervisedRows
    rng: np.random.Generator
    scale: int = 1
    sizes: dict[str, int] = field(default_factory=lambda: {"supervised": 64, "copy": 10, "span": 2})

    def __post_init__(self) -> None:
        self._sentinels = self.tokenizer.convert_tokens_to_ids(SENTINELS)

    def step(self, number: int) -> Iterator[Part]:
        """Yield the parts of one step: rows of one kind and of like length, to pad little.

        Books are for keeping what was learned: one step copies them, the next restores spans.
        """
        for kind in ("supervised", "copy" if number % 2 else "span"):
            drawn = [self._row(kind) for _ in range(self.sizes[kind] * self.scale)]
            drawn.sort(key=lambda row: len(row.input_ids))
            for rows in batched(drawn, PART * self.scale):
                yield Part(
                    (
                        pad([row.input_ids for row in rows], 0),
                        pad([row.labels for row in rows], -100),
                    ),
                    [row.name for row in rows],
                    kind,
                    WEIGHTS[kind] * len(rows) / len(drawn),
                )

    def _row(self, kind: str) -> TokenRow:
        if kind == "supervised":
            name, text, answer = self.supervised.draw()
            read, written = self.tokenizer([text, answer]).input_ids
            return TokenRow((self._untrained_prompt() + read)[-LONGEST:], written, name)
        read, written = self._window(kind)
        return TokenRow([*read, 1], [*written, 1], kind)

    def _untrained_prompt(self) -> list[int]:
        # A soft prompt begins as sampled vocabulary: let the backbone have met such noise.
        if self.rng.random() < 0.75:
            return []
        return self.rng.integers(3, self.tokenizer.vocab_size, self.rng.integers(1, 21)).tolist()

    def _window(self, kind: str) -> tuple[list[int], list[int]]:
        # Short windows to copy are what the decoder first learns to read its encoder by.
        width = int(self.rng.integers(3, 25)) if kind == "copy" else 128
        start = int(self.rng.integers(len(self.tokens) - width))
        window = np.asarray(self.tokens[start : start + width], dtype=np.int64)
        if kind == "copy":
            return hide_some(window, self.rng, self._sentinels[0])
        return corrupt_spans(window, self.rng, self._sentinels)


Row = TypeVar("Row")


def batched(rows: Sequence[Row], size: int) -> Iterator[Sequence[Row]]:
    """Yield `rows` in pieces of `size`; the last may be smaller."""
    for at in range(0, len(rows), size):
        yield rows[at : at + size]


def pad(rows: list[list[int]], value: int) -> Tensor:
    """Return `rows` as one tensor [B, longest]."""
    width = max(map(len, rows))
    return torch.tensor([row + [value] * (width - len(row)) for row in rows])
