"""Is nano-t5 good enough, and the mini suite hard enough? `python -m benchmarks.nano_quality`.

Per task, on its test split: the majority class; a bag-of-words logistic regression; zero-shot;
prompt tuning from scratch on the frozen backbone; and full fine-tuning of all its weights. All
train on the task's training rows. Good enough: prompt tuning ≥ 15 points over the majority class on
half of the tasks. Hard enough: bag of words ≥ 10 points under fine-tuning on 4 tasks or more.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import torch
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from torch import Tensor
from transformers import Adafactor

from mpt import loading
from mpt.backbone import Backbone
from mpt.encoding import Encoded
from mpt.evaluate import rank
from mpt.initial import vocabulary
from mpt.prompt import SoftPrompt
from mpt.sampling import plain_batches
from mpt.train import Schedule, train
from tasks import Data, Example, Task, load, majority, mini

BATCH = 16
PROMPT_LENGTH = 16


class Trial:
    """One task, its rows tokenised for the backbone."""

    def __init__(self, task: Task, data: Data, backbone: Backbone) -> None:
        self.task = task
        self.data = data
        self.rows = self._encode(backbone, data.train)
        self.validation = self._encode(backbone, data.validation)
        self.test = self._encode(backbone, data.test)

    def _encode(self, backbone: Backbone, examples: Sequence[Example]) -> Encoded:
        inputs = [one.input for one in examples]
        return backbone.encode(inputs, [one.answers[0] for one in examples], 128, 16)

    def score(self, answers: Sequence[str], examples: Sequence[Example]) -> float:
        """Return the accuracy, 0..100."""
        return next(iter(self.task.metrics.values()))(answers, examples)

    def tested(self, backbone: Backbone, prompt: Tensor | None) -> float:
        """Return the test score under `prompt` [P, H], or under none."""
        return self.score(rank(backbone, prompt, self.test, self.task.labels, 64), self.data.test)

    def bag_of_words(self) -> float:
        """Return the test score of a logistic regression on word counts."""
        words = CountVectorizer(token_pattern=r"\S+")
        seen = words.fit_transform(one.input for one in self.data.train)
        model = LogisticRegression(max_iter=2000)
        model.fit(seen, [one.answers[0] for one in self.data.train])
        asked = words.transform(one.input for one in self.data.test)
        return self.score(list(model.predict(asked)), self.data.test)

    def batches(self, seed: int) -> Iterator[list[int]]:
        """Yield the rows of each step."""
        return plain_batches(len(self.rows), BATCH, seed)

    def prompt_tuned(self, backbone: Backbone, steps: int, seed: int) -> float:
        """Return the test score of a prompt tuned from sampled vocabulary."""
        draws = torch.Generator().manual_seed(seed)
        prompt = SoftPrompt(vocabulary(backbone, PROMPT_LENGTH, draws))

        def loss_of(drawn: Sequence[int]) -> Tensor:
            batch = self.rows.batch(drawn, [0] * BATCH, backbone.device)
            loss: Tensor = backbone(prompt(batch.task_ids), batch).loss
            return loss

        def validate() -> float:
            answers = rank(backbone, prompt.task(0), self.validation, self.task.labels, 64)
            return self.score(answers, self.data.validation)

        schedule = Schedule(
            steps=steps, learning_rate=0.3, factor_learning_rate=0.3, validate_every=steps // 4
        )
        train(prompt, self.batches(seed), loss_of, schedule, validate=validate)
        return self.tested(backbone, prompt.task(0))

    def fine_tuned(self, folder: str, steps: int, seed: int) -> float:
        """Return the test score after training every weight, with T5's own optimizer."""
        backbone = loading.load(folder)
        backbone.model.requires_grad_(True)
        optimizer = Adafactor(
            backbone.model.parameters(), lr=5e-3, scale_parameter=True, relative_step=False
        )
        for drawn in islice(self.batches(seed), steps):
            batch = self.rows.batch(drawn, [0] * BATCH, backbone.device)
            optimizer.zero_grad()
            backbone(None, batch).loss.backward()
            optimizer.step()
        return self.tested(backbone, None)


def main() -> None:
    """Print one line of JSON a task, and what follows from them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbone", default="nano-t5")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tasks", nargs="*", default=[task.name for task in mini.ALL])
    parser.add_argument("--no-fine-tuning", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/out/nano_quality.jsonl"))
    args = parser.parse_args()
    found = []
    for task in (task for task in mini.ALL if task.name in args.tasks):
        backbone = loading.load(args.backbone)
        trial = Trial(task, load(task), backbone)
        common = majority(task, trial.data.train, trial.data.test)
        scores = {
            "majority": trial.score(common, trial.data.test),
            "bag_of_words": trial.bag_of_words(),
            "zero_shot": trial.tested(backbone, None),
            "prompt_tuning": trial.prompt_tuned(backbone, args.steps, args.seed),
        }
        if not args.no_fine_tuning:
            scores["fine_tuning"] = trial.fine_tuned(args.backbone, args.steps, args.seed)
        line = {"task": task.name, "role": task.role, "n_test": len(trial.data.test)} | scores
        found.append(line)
        print(json.dumps(line), flush=True)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text("".join(json.dumps(line) + "\n" for line in found))
    tuned = sum(one["prompt_tuning"] - one["majority"] >= 15 for one in found)
    print(f"prompt tuning >= 15 over the majority class: {tuned} of {len(found)} tasks")
    if not args.no_fine_tuning:
        hard = sum(one["fine_tuning"] - one["bag_of_words"] >= 10 for one in found)
        print(f"bag of words >= 10 under fine-tuning: {hard} of {len(found)} tasks")


if __name__ == "__main__":
    main()
