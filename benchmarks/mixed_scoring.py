"""Rows of many prompts in mixed batches, against the same rows prompt by prompt.

    python -m benchmarks.mixed_scoring --rows 64

One request of so many rows, of all the mini suite's tasks in turn, behind so many prompts of
several lengths; the median of some tries each, taken in turns. docs/serving.md has what came out.
"""

import argparse
from collections.abc import Callable, Sequence
from statistics import median
from time import perf_counter

import torch

from mpt.backbone import Backbone, Front
from mpt.evaluate import Answers, Asked, answer_all
from mpt.loading import NANO, load
from pipelines.inputs import TaskInput
from tasks import mini

BATCH, TRIES = 64, 7
PROMPTS = (1, 2, 7, 14, 28, 64)


def requests(backbone: Backbone, prompts: int, rows: int) -> tuple[list[Front], list[Asked]]:
    """Return prepared prompts, and rows for each of them."""
    draws = torch.Generator().manual_seed(0)
    fronts, asked = [], []
    for at in range(prompts):
        given = TaskInput.open(mini.ALL[at % len(mini.ALL)].name, None)
        count = rows // prompts + (at < rows % prompts)
        examples = given.examples("test")[at : at + count]
        tokens = torch.randn(8 + 4 * (at % 4), backbone.hidden_size, generator=draws)
        fronts += backbone.prepare([0.3 * tokens])
        asked.append(Asked(given.encode(backbone, examples, None), given.task.labels))
    return fronts, asked


def one_by_one(
    backbone: Backbone, fronts: Sequence[Front], asked: Sequence[Asked]
) -> list[Answers]:
    """Return the answers, prompt by prompt."""
    pairs = zip(fronts, asked, strict=True)
    return [answer_all(backbone, [front], [one], BATCH)[0] for front, one in pairs]


def seconds(work: Callable[[], object]) -> float:
    """Return how long `work` takes."""
    start = perf_counter()
    work()
    return perf_counter() - start


def compare(backbone: Backbone, prompts: int, rows: int) -> tuple[float, float, float]:
    """Return the seconds of mixed batches and of one prompt after another, and how far apart."""
    fronts, asked = requests(backbone, prompts, rows)
    mixed, alone = (
        answer_all(backbone, fronts, asked, BATCH), one_by_one(backbone, fronts, asked)
    )  # fmt: skip
    apart = max(float((a - b).abs().max()) for a, b in zip(mixed, alone, strict=True))
    tries = [
        (
            seconds(lambda: answer_all(backbone, fronts, asked, BATCH)),
            seconds(lambda: one_by_one(backbone, fronts, asked)),
        )
        for _ in range(TRIES)
    ]
    ours, theirs = (median(one) for one in zip(*tries, strict=True))
    return ours, theirs, apart


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=64)
    rows = parser.parse_args().rows
    print(f"{'backbone':9}{'prompts':>8}{'mixed, s':>10}{'alone, s':>10}{'ratio':>7}{'apart':>9}")
    for name in NANO:
        backbone = load(name)
        for prompts in PROMPTS:
            ours, theirs, apart = compare(backbone, prompts, rows)
            print(f"{name:9}{prompts:8}{ours:10.3f}{theirs:10.3f}{theirs / ours:7.2f}{apart:9.1e}")


if __name__ == "__main__":
    main()
