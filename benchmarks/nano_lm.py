"""nano-lm: a Llama of 10M weights that learns from its context.

Three parts of four are runs of few-shot examples (`benchmarks.shots`), one is books.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from benchmarks.disguise import common_words
from benchmarks.muon import Muon
from benchmarks.pretraining_rows import snippets
from benchmarks.recipe import Optimizers, Part, Recipe
from benchmarks.shots import Piece, Runs
from benchmarks.themes import themes_of_books

LONGEST = 256  # tokens of a run
BEGIN = 1  # </s> stands before each text: attention needs a place to rest
BATCHES = {"runs": 12, "books": 2}
BOOK_TOKENS = 128
REPEATED = 0.3  # of the windows of books
WEIGHTS = {"runs": 0.75, "books": 0.25}
TEXT_WEIGHT = 0.05  # of a run's words beside its labels; they are many
TEXT_SHARE = 0.3  # of a run's words that are predicted at all: the head is dear
NEWLINE = "\u010a"  # as byte-level BPE writes it


class NanoLM(Recipe):
    """A Llama of 10M weights."""

    name = "nano-lm"

    def new_model(self) -> LlamaForCausalLM:
        """Return an untrained Llama of 10M weights."""
        config = LlamaConfig(
            vocab_size=8192, hidden_size=256, intermediate_size=704, num_hidden_layers=10,
            num_attention_heads=4, num_key_value_heads=4, tie_word_embeddings=True,
            max_position_embeddings=512, bos_token_id=BEGIN, eos_token_id=1, pad_token_id=0,
        )  # fmt: skip
        return LlamaForCausalLM(config)

    def optimizers(self, model: Any) -> Optimizers:
        """Return Muon for the matrices and AdamW for the rest."""
        named = dict(model.named_parameters())
        matrices = [w for name, w in named.items() if w.ndim == 2 and "embed" not in name]
        rest = [w for name, w in named.items() if w.ndim != 2 or "embed" in name]
        return [
            (Muon(matrices, lr=3e-3, weight_decay=0.01), 3e-3),
            (torch.optim.AdamW(rest, lr=1e-3, betas=(0.9, 0.98), weight_decay=0.01), 1e-3),
        ]

    def parts(
        self, tokenizer: PreTrainedTokenizerFast, tokens: np.ndarray, corpus: Path, seed: int,
        scale: int,
    ) -> Iterator[list[Part]]:  # fmt: skip
        """Yield one part of runs and one of books for each step."""
        texts = snippets(corpus)
        words = common_words(texts)
        single = [
            word for word in words
            if len(tokenizer(f" {word}", add_special_tokens=False).input_ids) == 1
        ]  # fmt: skip
        runs = Runs(seed, texts, themes_of_books(corpus), single)
        rng = np.random.default_rng(seed)
        while True:
            rows = [_run(runs, tokenizer, rng) for _ in range(BATCHES["runs"] * scale)]
            books = [_window(tokens, rng) for _ in range(BATCHES["books"] * scale)]
            yield [_part("runs", rows), _part("books", books)]

    def losses(self, model: Any, *tensors: Tensor) -> tuple[Tensor, Tensor]:
        """Return the weighted mean of the cross-entropy, and each row's over what counts."""
        inputs, places, targets, weights, owners, counts = tensors
        states = model.model(input_ids=inputs, use_cache=False).last_hidden_state
        logits = model.lm_head(states.flatten(0, 1)[places]).float()
        nats = torch.nn.functional.cross_entropy(logits, targets, reduction="none")
        loss = (nats * weights).sum() / weights.sum()
        zeros = torch.zeros(len(inputs), device=nats.device)
        total = zeros.scatter_add(0, owners, nats.detach() * counts)
        return loss, total / zeros.scatter_add(0, owners, counts)


Row = tuple[str, list[int], list[float]]
"""Its name, its tokens, and for each token how much it counts when it is predicted."""


def _run(runs: Runs, tokenizer: PreTrainedTokenizerFast, rng: np.random.Generator) -> Row:
    name, pieces = runs.draw(int(rng.integers(8, 65)))
    ids, weights = [BEGIN, *_noise(rng, tokenizer.vocab_size)], []
    weights += [0.0] * len(ids)
    for piece, tokens in zip(pieces, _tokens(tokenizer, pieces), strict=True):
        if len(ids) + len(tokens) > LONGEST:
            break
        ids += tokens
        read = rng.random(len(tokens)) < TEXT_SHARE
        weights += [1.0] * len(tokens) if piece.counts else (TEXT_WEIGHT * read).tolist()
    # A run that was cut before a label came again teaches nothing.
    return (name, ids, weights) if 1.0 in weights else _run(runs, tokenizer, rng)


def _noise(rng: np.random.Generator, vocabulary: int) -> list[int]:
    # A soft prompt begins as sampled vocabulary: let the backbone have met such noise.
    if rng.random() < 0.85:
        return []
    return list(rng.integers(3, vocabulary, rng.integers(1, 21)).tolist())


def _tokens(tokenizer: PreTrainedTokenizerFast, pieces: Sequence[Piece]) -> list[list[int]]:
    texts = [piece.text for piece in pieces]
    ids: list[list[int]] = tokenizer(texts, add_special_tokens=False)["input_ids"]
    # Alone, the end of a line would get the space that begins a text.
    end = [tokenizer.convert_tokens_to_ids(NEWLINE)]
    return [end if text == "\n" else one for text, one in zip(texts, ids, strict=True)]


def _window(tokens: np.ndarray, rng: np.random.Generator) -> Row:
    start = int(rng.integers(len(tokens) - BOOK_TOKENS))
    ids = tokens[start : start + BOOK_TOKENS].astype(int).tolist()
    if rng.random() < REPEATED:
        # What was read once is read again: each of its words teaches to look back. Where there are
        # few different ones, only the words before tell which of the same it is.
        width = int(rng.integers(8, 81))
        if rng.random() < 0.7:
            few = rng.choice(ids, int(rng.integers(3, 16)))
            ids = rng.choice(few, BOOK_TOKENS).tolist()
        ids = (ids[:width] * BOOK_TOKENS)[:BOOK_TOKENS]
        return "repeated", [BEGIN, *ids], [0.0] * (width + 1) + [1.0] * (BOOK_TOKENS - width)
    return "books", [BEGIN, *ids], [0.0, *[1.0] * BOOK_TOKENS]


def _part(kind: str, rows: list[Row]) -> Part:
    width = max(len(ids) for _, ids, _ in rows)
    inputs = torch.zeros(len(rows), width, dtype=torch.long)
    places, targets, weights, owners = [], [], [], []
    for at, (_, ids, counts) in enumerate(rows):
        inputs[at, : len(ids)] = torch.tensor(ids)
        for place, weight in enumerate(counts):
            if weight:
                places.append(at * width + place - 1)  # what stands before predicts it
                targets.append(ids[place])
                weights.append(weight)
                owners.append(at)
    shown = [float(weight == 1.0) for weight in weights]
    tensors = (
        inputs, torch.tensor(places), torch.tensor(targets), torch.tensor(weights),
        torch.tensor(owners), torch.tensor(shown),
    )  # fmt: skip
    return Part(tensors, [name for name, _, _ in rows], kind, WEIGHTS[kind])
