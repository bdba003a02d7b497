"""What nano-lm learns from its context: `python -m benchmarks.few_shot_quality --shots 8`.

On each target task of the mini suite: no shots, shots, and the same shots with their labels
exchanged at random, in-context only. Mean over draws with a bootstrap interval over draws and rows.
"""

import argparse
import json
from collections.abc import Sequence
from random import Random

import torch

from mpt.backbone import Backbone
from mpt.context import Shot, build
from mpt.decoder_only import DecoderOnly
from mpt.evaluate import rank
from mpt.loading import load
from pipelines.few_shot_report import interval
from tasks import Data, Example, Task, majority, mini
from tasks import load as load_rows
from tasks.draws import draw
from tasks.metrics import accuracy

BATCH = 64


def answers(
    backbone: DecoderOnly, task: Task, shots: Sequence[Example], rows: Sequence[Example]
) -> list[str]:
    """Return the backbone's answers to `rows` behind `shots`."""
    texts = [one.input for one in rows]
    if not shots:
        encoded = backbone.encode(texts, [task.labels[0]] * len(rows), 128, 16)
        return rank(backbone, None, encoded, task.labels, BATCH)
    context = build(backbone, [Shot(one.input, one.fields, one.answers[0]) for one in shots])
    encoded = backbone.encode_next(texts, [task.labels[0]] * len(rows), 128, 16)
    prompt = backbone.embed(context.ids).detach().float()
    return rank(backbone, prompt, encoded, task.labels, BATCH)


def shuffled(task: Task, shots: Sequence[Example], seed: int) -> list[Example]:
    """Return `shots` with labels drawn at random, each label as often as before."""
    labels = [one.answers for one in shots]
    Random(seed).shuffle(labels)
    return [one._replace(answers=label) for one, label in zip(shots, labels, strict=True)]


def measure(backbone: DecoderOnly, task: Task, data: Data, args: argparse.Namespace) -> dict:
    """Return the scores of one task."""
    rows = data.test[: args.rows]
    drawn = [draw(task, data.train, args.shots, False, seed) for seed in range(args.draws)]
    sides = {
        "zero": [answers(backbone, task, [], rows)] * args.draws,
        "shots": [answers(backbone, task, shots, rows) for shots in drawn],
        "shuffled": [
            answers(backbone, task, shuffled(task, shots, seed), rows)
            for seed, shots in enumerate(drawn)
        ],
    }
    scores = {name: [accuracy(one, rows) for one in side] for name, side in sides.items()}
    return {
        "task": task.name,
        "majority": accuracy(majority(task, data.train, rows), rows),
        "mean": {name: round(sum(some) / len(some), 1) for name, some in scores.items()},
        "interval": {name: interval(side, rows, accuracy) for name, side in sides.items()},
    }


def apart(found: dict) -> bool:
    """Say whether the shots beat both controls with intervals apart."""
    low = found["interval"]["shots"][0]
    return low > max(found["interval"][name][1] for name in ("zero", "shuffled"))


def main() -> None:
    """Print one line of JSON for each task."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbone", default="nano-lm")
    parser.add_argument("--shots", type=int, default=8)
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--rows", type=int, default=500)
    targets = [task.name for task in mini.ALL if task.role == "target"]
    parser.add_argument("--tasks", nargs="*", default=targets)
    args = parser.parse_args()
    backbone: Backbone = load(args.backbone)
    assert isinstance(backbone, DecoderOnly), "give a decoder-only backbone"
    with torch.inference_mode():
        for task in mini.ALL:
            if task.name in args.tasks:
                found = measure(backbone, task, load_rows(task), args)
                print(json.dumps(found | {"apart": apart(found)}), flush=True)


if __name__ == "__main__":
    main()
