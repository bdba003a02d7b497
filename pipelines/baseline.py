"""Baselines through PEFT: the rows, batches, budget and exams of `teach`, and another method."""

import torch
from torch import Tensor

from mpt.backbone import Backbone
from mpt.baseline import Baseline
from mpt.sampling import plain_batches
from mpt.train import alone
from pipelines.asking import ask
from pipelines.baseline_spec import BaselineSpec
from pipelines.capability import CannotWork, check_method
from pipelines.exam import Exam, answer
from pipelines.inputs import TaskInput
from pipelines.services import Services
from pipelines.training import fitting


def baseline(spec: BaselineSpec, svc: Services) -> str:
    """Train a baseline on `spec.task` and test it; return the id of the run that did.

    What it learned is not kept: only its scores, losses and curve are. If a run has already done
    the same, its id is returned and nothing is trained.

    Raises:
        CannotWork: the method does not work on the backbone.
        TooLong: prompt and input are over what the backbone declares.
        Busy: another process is at the same run.
    """
    given, backbone = svc.task(spec.task), svc.backbone(spec.backbone, spec.precision)
    _check(spec, given, backbone)
    exams = [
        Exam.open(given, "validation", spec.validation_rows),
        Exam.open(given, "test", spec.test_rows),
    ]
    request = ask(
        "baseline",
        spec,
        given.task.name,
        backbone,
        svc,
        given=[given],
        datasets={
            "train": [given.training_info(spec.train_rows, None)],
            **{exam.dataset.split: [exam.dataset] for exam in exams},
        },
        limits=[given.limits(spec.max_length)],
    )
    if done := svc.lineage.find(request.sha):
        return done.id
    with svc.lineage.record(request) as run:
        rows = given.encode(backbone, given.training(spec.train_rows, None), spec.max_length)
        asked = [given.encode(backbone, exam.examples, spec.max_length) for exam in exams]
        learner = Baseline.start(backbone, spec.method, spec.options, spec.seed)
        run.truncated = sum(one.truncated for one in (rows, *asked))
        run.warnings += given.data.warnings

        def answers(at: int) -> list[str]:
            return answer(learner, None, given.task, asked[at], svc.batch_size)

        def loss_of(drawn: list[int]) -> Tensor:
            return learner.loss(rows.batch(drawn, [0] * len(drawn), backbone.device))

        batches = plain_batches(len(rows), spec.batch_size, spec.seed)
        steps = fitting(
            learner, lambda: exams[0].primary(answers(0)), spec, request, run,
            svc=svc, batches=batches,
        )  # fmt: skip
        checkpoint = alone(steps, loss_of)
        for at, exam in enumerate(exams):
            run.scores += exam.scores(answers(at), svc.store, spec.method)
    checkpoint.remove()
    return run.id


def check_baseline(spec: BaselineSpec, svc: Services) -> None:
    """See that the method works on the backbone: by the table, and on one example.

    The table knows families, and not each model's shape: PEFT's prefix does not fit a T5-3B.

    Raises:
        LookupError: the task or the backbone is unknown.
        ValueError: rows are missing or wrong, prompt and input are too long, or the method does not
            work there.
    """
    given, backbone = svc.task(spec.task), svc.backbone(spec.backbone, spec.precision)
    _check(spec, given, backbone)
    row = given.encode(backbone, given.training(1, None), spec.max_length)
    batch = row.batch([0], [0], backbone.device)
    try:
        learner = Baseline.start(backbone, spec.method, spec.options, spec.seed)
        learner.loss(batch).backward()  # type: ignore[no-untyped-call]
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # whatever PEFT stumbles over: a division by zero, in one case
        raise CannotWork(spec.method, spec.backbone, error, "use another method") from error


def _check(spec: BaselineSpec, given: TaskInput, backbone: Backbone) -> None:
    check_method(spec.method, spec.backbone, backbone.family, spec.precision)
    given.check_length(backbone, spec.backbone, spec.prompt_length or 0, spec.max_length)
