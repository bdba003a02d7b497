"""How long a batch takes to put together: `python -m benchmarks.batch_assembly`.

Ours from flat tokens, over that of rows of a `datasets` table and transformers' collator.
"""

from random import Random
from statistics import median, quantiles
from time import process_time

import torch
from datasets import Dataset
from transformers import DataCollatorForSeq2Seq

from mpt.loading import load
from pipelines.inputs import TaskInput

ROWS, ROUNDS = 32, 200


def main() -> None:
    """Print the median ratio of processor times, and its quartiles."""
    torch.set_num_threads(1)
    backbone = load("nano-t5", "cpu", torch.float32)
    given = TaskInput.open("mini_deed", None)
    encoded = given.encode(backbone, given.examples("train"), None)
    table = Dataset.from_list(
        [
            {"input_ids": encoded.input(row).tolist(), "labels": encoded.answer(row).tolist()}
            for row in range(len(encoded))
        ]
    )
    collate, rng, ratios = DataCollatorForSeq2Seq(backbone.tokenizer), Random(0), []
    for _ in range(ROUNDS):
        rows = [rng.randrange(len(encoded)) for _ in range(ROWS)]
        start = process_time()
        ours = encoded.batch(rows, [0] * ROWS, "cpu")
        middle = process_time()
        theirs = collate(table.__getitems__(rows))  # as torch's DataLoader asks for them
        ratios.append((middle - start) / (process_time() - middle))
        assert ours.input_ids.equal(theirs["input_ids"])
        assert ours.labels.equal(theirs["labels"])
    low, _, high = quantiles(ratios, n=4)
    print(f"{median(ratios):.3f} [{low:.3f}, {high:.3f}] of {ROUNDS} batches of {ROWS} rows")


if __name__ == "__main__":
    main()
