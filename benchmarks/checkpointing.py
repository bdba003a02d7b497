"""What checkpoints cost, and what a kill loses: `python -m benchmarks.checkpointing`."""

import time
from functools import partial
from itertools import pairwise
from pathlib import Path
from random import Random
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from mpt.backbone import Backbone
from mpt.checkpoint import Checkpoint
from mpt.encoding import Encoded
from mpt.initial import vocabulary
from mpt.loading import load
from mpt.prompt import MultitaskPrompt
from mpt.sampling import plain_batches
from mpt.train import Schedule, train
from pipelines.inputs import TaskInput

STEPS, ROWS, ROUNDS, TASKS = 60, 16, 5, 6


class Timed(Checkpoint):
    """Keeps when it saved."""

    def save(self, *args: Any) -> None:
        """Save, and note the time."""
        super().save(*args)
        self.saved = [*getattr(self, "saved", []), time.perf_counter()]


def main() -> None:
    """Print the median ratio of training with checkpoints to training without, and the gaps."""
    backbone = load("nano-t5", "cpu", torch.float32)
    given = TaskInput.open("mini_deed", None)
    rows = given.encode(backbone, given.examples("train"), None)
    ratios, gaps = [], []
    with TemporaryDirectory() as folder:
        for at in range(ROUNDS + 1):
            checkpoint = Timed(Path(folder) / f"{at}.safetensors")
            sides = [partial(seconds, backbone, rows, one) for one in (None, checkpoint)]
            order = Random(at).sample([0, 1], 2)
            took = {side: sides[side]() for side in order}
            if at:  # the first round warms up
                ratios.append(took[1] / took[0])
                gaps += [b - a for a, b in pairwise(checkpoint.saved)]
    print(
        f"{median(ratios):.3f} of the time without, {min(ratios):.3f} to {max(ratios):.3f}; "
        f"a kill loses at most {max(gaps):.2f} s; {STEPS} steps of {ROWS} rows, {ROUNDS} rounds"
    )


def seconds(backbone: Backbone, rows: Encoded, checkpoint: Checkpoint | None) -> float:
    """Train a source prompt of several tasks; return how long it took."""
    draws = torch.Generator().manual_seed(0)
    shared = vocabulary(backbone, 100, draws)
    prompt = MultitaskPrompt.start(shared, TASKS, 1, "identity", draws)

    def loss_of(drawn: list[int]) -> Tensor:
        batch = rows.batch(drawn, [row % TASKS for row in drawn], "cpu")
        loss: Tensor = backbone(prompt(batch.task_ids), batch).loss
        return loss

    plan = Schedule(steps=STEPS, learning_rate=0.3, factor_learning_rate=0.4, validate_every=STEPS)
    began = time.perf_counter()
    train(prompt, plain_batches(len(rows), ROWS, 0), loss_of, plan, checkpoint=checkpoint)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
