"""How a prompt is scored: its answers to a task's examples, and what the metrics say of them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from mpt.backbone import Reader
from mpt.encoding import Encoded
from mpt.evaluate import decode, rank
from pipelines import references
from pipelines.inputs import TaskInput
from pipelines.recording import ScoreInfo
from pipelines.records import DatasetInfo, Method, Split
from pipelines.score_interval import interval
from pipelines.store import Store
from tasks import Example, Task, majority


@dataclass(frozen=True)
class Exam:
    """The examples of one split of one task, to be answered and scored."""

    task: Task
    examples: list[Example]
    dataset: DatasetInfo
    training: Sequence[Example] = ()
    """The training rows, whose commonest answer a prompt has to beat; of validation only."""

    @classmethod
    def open(cls, given: TaskInput, split: Split, rows: int | None) -> "Exam":
        """Take the first `rows` examples of `split`, or all of them."""
        training = given.examples("train") if split == "validation" else ()
        return cls(given.task, given.examples(split, rows), given.info(split, rows), training)

    def primary(self, answers: Sequence[str]) -> float:
        """Return the score that tables report."""
        metric = next(iter(self.task.metrics.values()))
        return metric(answers, self.examples)

    def scores(self, answers: Sequence[str], store: Store, method: Method) -> list[ScoreInfo]:
        """Return the score by every metric; the answers, and what was right, go to `store`."""
        kept = store.put(json.dumps(list(answers)).encode())
        right = references.keep(self.examples, store)
        scored = [
            ScoreInfo(
                dataset=self.dataset, metric=name, value=metric(answers, self.examples),
                n=len(answers), predictions_sha=kept, references_sha=right, method=method,
                interval=interval(self.task, name, answers, self.examples),
            )
            for name, metric in self.task.metrics.items()
        ]  # fmt: skip
        return [replace(scored[0], is_primary=True), *scored[1:]]

    def majority(self, store: Store) -> list[ScoreInfo]:
        """Return the score of the commonest training answer by every metric; none is primary."""
        answers = majority(self.task, self.training, self.examples)
        scored = self.scores(answers, store, "majority")
        return [replace(one, is_primary=False) for one in scored]


def answer(
    backbone: Reader, prompt: Tensor | None, task: Task, encoded: Encoded, batch_size: int
) -> list[str]:
    """Return the backbone's answers under `prompt` [P, H]: a label each, or free text."""
    if prompt is not None:
        prompt = prompt.to(backbone.device)
    if task.labels:
        return rank(backbone, prompt, encoded, task.labels, batch_size)
    return decode(backbone, prompt, encoded, task.max_answer, batch_size)
