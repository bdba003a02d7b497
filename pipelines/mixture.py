"""Training one prompt on several tasks at once: what `learn` and `adapt_group` share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from torch import Tensor

from mpt.backbone import Backbone
from mpt.checkpoint import Checkpoint
from mpt.encoding import Batch, Encoded, mixed_batch
from mpt.sampling import mixed_batches
from mpt.train import alone
from pipelines.asking import ask
from pipelines.exam import Exam
from pipelines.group_spec import GroupSpec
from pipelines.inputs import TaskInput
from pipelines.recording import Recording
from pipelines.records import DatasetInfo, ReadRole, Request, Split, Stage
from pipelines.services import Services
from pipelines.spec import Budget, LearnSpec
from pipelines.training import Fit

Drawn = Sequence[tuple[int, int]]
"""The task and the number of each row of a batch."""


@dataclass(frozen=True)
class Mixture:
    """What is read of several tasks; task k of the prompt reads rows k and answers exam k."""

    given: Sequence[TaskInput]
    rows: list[Encoded]
    exams: list[tuple[Exam, Encoded]]

    @classmethod
    def open(
        cls, spec: LearnSpec | GroupSpec, given: Sequence[TaskInput], backbone: Backbone
    ) -> "Mixture":
        """Tokenise the training and the validation rows of each task."""
        rows = [
            one.encode(backbone, one.examples("train", spec.train_rows), spec.max_length)
            for one in given
        ]
        exams = [Exam.open(one, "validation", spec.validation_rows) for one in given]
        asked = [
            one.encode(backbone, exam.examples, spec.max_length)
            for one, exam in zip(given, exams, strict=True)
        ]
        return cls(given, rows, list(zip(exams, asked, strict=True)))

    def train(
        self,
        fit: Fit,
        loss_of: Callable[[Drawn, Batch], Tensor],
        spec: LearnSpec | GroupSpec,
        request: Request,
        *,
        run: Recording,
        svc: Services,
    ) -> Checkpoint:
        """Take all steps, each with the loss of a batch of mixed tasks; see `Fit.steps`."""
        run.truncated = sum(one.truncated for one in (*self.rows, *(a for _, a in self.exams)))
        run.warnings += chain.from_iterable(one.data.warnings for one in self.given)
        batches = mixed_batches(
            [len(one) for one in self.rows], spec.batch_size, spec.seed, spec.sampling_cap
        )
        return alone(
            fit.steps(spec, request, run, svc, batches=batches),
            lambda drawn: loss_of(drawn, mixed_batch(self.rows, drawn, fit.backbone.device)),
        )


def datasets_of(spec: Budget, given: Sequence[TaskInput]) -> dict[Split, Sequence[DatasetInfo]]:
    """Return what a mixture of tasks reads, by role."""
    return {
        "train": [one.info("train", spec.train_rows) for one in given],
        "validation": [one.info("validation", spec.validation_rows) for one in given],
    }


def ask_mixed(
    stage: Stage,
    spec: LearnSpec | GroupSpec,
    task: str,
    given: Sequence[TaskInput],
    svc: Services,
    *,
    reads: Mapping[ReadRole, Sequence[str]],
) -> Request:
    """Return the request for `spec` on all rows that a mixture of its tasks reads."""
    return ask(
        stage,
        spec,
        task,
        svc.backbone(spec.backbone, spec.precision),
        svc,
        given=given,
        datasets=datasets_of(spec, given),
        limits=[one.limits(spec.max_length) for one in given],
        reads=reads,
    )
