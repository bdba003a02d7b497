"""Training one prompt on one task: what `teach` and `adapt` share."""

from collections.abc import Callable, Generator

from mpt.backbone import Backbone
from mpt.prompt import Prompt
from mpt.sampling import plain_batches
from mpt.together import Asked, loss_of
from mpt.train import alone
from pipelines.asking import ask
from pipelines.exam import Exam
from pipelines.inputs import TaskInput
from pipelines.records import PromptRecord, Request
from pipelines.services import Services
from pipelines.spec import AdaptSpec, TeachSpec
from pipelines.training import Fit

Training = Generator[Asked, float, str]
"""Yields what each step reads of which rows behind which prompt, and is sent its loss."""


def run_alone(one: Training, spec: TeachSpec | AdaptSpec, svc: Services) -> str:
    """Take all steps of a training; return the id of its run."""
    backbone = svc.backbone(spec.backbone, spec.precision)
    return alone(one, lambda asked: loss_of(backbone, asked))


def tuning(
    spec: TeachSpec | AdaptSpec,
    parent: PromptRecord | None,
    first: Callable[[Backbone], Prompt],
    svc: Services,
) -> Training:
    """Train the prompt that `first` makes on `spec.task`; return the id of the run that did.

    Args:
        spec: the recipe.
        parent: the source prompt that it is adapted from; None is a vanilla prompt.
        first: makes the prompt to train; called only if no run has done the same.
        svc: the outside world.
    """
    given, backbone = svc.task(spec.task), svc.backbone(spec.backbone, spec.precision)
    length = parent.num_tokens if parent else getattr(spec, "prompt_length", 0)
    given.check_length(backbone, spec.backbone, length, spec.max_length)
    request = _request(spec, parent, given, backbone, svc)
    if done := svc.lineage.find(request.sha):
        return done.id
    with svc.lineage.record(request) as run:
        rows = given.encode(backbone, given.training(spec.train_rows, spec.draw), spec.max_length)
        exam = Exam.open(given, "validation", spec.validation_rows)
        asked = given.encode(backbone, exam.examples, spec.max_length)
        prompt = first(backbone)
        run.truncated = rows.truncated + asked.truncated
        run.warnings += given.data.warnings
        fit = Fit(prompt, backbone, [(exam, asked)], "target" if parent else "teacher")
        drawn = plain_batches(len(rows), spec.batch_size, spec.seed)
        batches = (Asked(prompt, rows, some) for some in drawn)
        checkpoint = yield from fit.steps(spec, request, run, svc, batches=batches)
    checkpoint.remove()
    return run.id


def _request(
    spec: TeachSpec | AdaptSpec,
    parent: PromptRecord | None,
    given: TaskInput,
    backbone: Backbone,
    svc: Services,
) -> Request:
    return ask(
        "adapt" if parent else "teach",
        spec,
        given.task.name,
        backbone,
        svc,
        given=[given],
        datasets={
            "train": [given.training_info(spec.train_rows, spec.draw)],
            "validation": [given.info("validation", spec.validation_rows)],
        },
        limits=[given.limits(spec.max_length)],
        reads={"source": [parent.sha]} if parent else None,
    )
