"""Words that stand together in the books: what a text is about shows in them."""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.disguise import common_words
from benchmarks.pretraining_rows import books

SIZE = 12  # words of a theme
EVERYWHERE, WORDS = 300, 5000  # the most frequent words are about nothing
DIMENSIONS = 100
BLOCK = 2000  # texts


def themes_of_books(folder: Path) -> list[list[str]]:
    """Return the themes of every fourth paragraph of the corpus in `folder`."""
    return themes(list(islice(books(folder, "train_*"), 0, 480_000, 4)))


def themes(texts: Sequence[str]) -> list[list[str]]:
    """Return lists of SIZE words that are near to each other in `texts`, the nearest first.

    No word is in two of them.

    Args:
        texts: paragraphs; a word is counted once in each.
    """
    words = common_words(texts, WORDS)[EVERYWHERE:]
    vectors = _vectors(_together(texts, words), len(texts))
    near, nearest = (vectors @ vectors.T).topk(min(SIZE, len(words)))
    found: list[list[str]] = []
    taken: set[int] = set()
    for at in near.mean(dim=1).argsort(descending=True).tolist():
        if taken.isdisjoint(theme := nearest[at].tolist()):
            found.append([words[one] for one in theme])
            taken.update(theme)
    return found


def _together(texts: Sequence[str], words: Sequence[str]) -> Tensor:
    """Return in how many texts two words stand together, [W, W]."""
    place = {word: at for at, word in enumerate(words)}
    counts = torch.zeros(len(words), len(words))
    for start in range(0, len(texts), BLOCK):
        block = texts[start : start + BLOCK]
        there = torch.zeros(len(block), len(words))
        for row, text in zip(there, block, strict=True):
            row[[place[word] for word in text.split() if word in place]] = 1
        counts += there.T @ there
    return counts


def _vectors(counts: Tensor, texts: int) -> Tensor:
    """Return one direction per word, [W, D], of the positive pointwise mutual information.

    Source: Levy and Goldberg 2014, Neural Word Embedding as Implicit Matrix Factorization, 4.
    """
    alone = counts.diagonal().clamp(min=1)
    expected = alone[:, None] * alone / texts
    # Small counts make large quotients by chance: at least 10 texts more than expected.
    information = ((counts + 10) / (expected + 10)).clamp(min=1).log()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        left, strengths, _ = torch.svd_lowrank(information, min(DIMENSIONS, len(counts)))
    return torch.nn.functional.normalize(left * strengths.sqrt())
