"""Training one prompt on one task: what `teach` and `adapt` share."""

from collections.abc import Callable, Sequence

from torch import Tensor

from mpt.backbone import Backbone
from mpt.prompt import Prompt
from mpt.sampling import plain_batches
from pipelines.asking import ask
from pipelines.exam import Exam
from pipelines.records import PromptRecord
from pipelines.services import Services
from pipelines.spec import AdaptSpec, TeachSpec
from pipelines.training import Fit


def tune(
    spec: TeachSpec | AdaptSpec,
    parent: PromptRecord | None,
    first: Callable[[Backbone], Prompt],
    svc: Services,
) -> str:
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
    request = ask(
        "adapt" if parent else "teach",
        spec,
        spec.task,
        backbone,
        svc,
        datasets={
            "train": [given.training_info(spec.train_rows, spec.draw)],
            "validation": [given.info("validation", spec.validation_rows)],
        },
        limits=[given.limits(spec.max_length)],
        reads={"source": [parent.sha]} if parent else None,
    )
    if done := svc.lineage.find(request.sha):
        return done.id
    with svc.lineage.record(request) as run:
        rows = given.encode(backbone, given.training(spec.train_rows, spec.draw), spec.max_length)
        exam = Exam.open(given, "validation", spec.validation_rows)
        asked = given.encode(backbone, exam.examples, spec.max_length)
        prompt = first(backbone)

        def loss_of(drawn: Sequence[int]) -> Tensor:
            batch = rows.batch(drawn, [0] * len(drawn), backbone.device)
            loss: Tensor = backbone(prompt(batch.task_ids), batch).loss
            return loss

        run.truncated = rows.truncated + asked.truncated
        run.warnings += given.data.warnings
        fit = Fit(prompt, backbone, [(exam, asked)], "target" if parent else "teacher")
        batches = plain_batches(len(rows), spec.batch_size, spec.seed)
        checkpoint = fit.run(spec, request, run, svc, batches=batches, loss_of=loss_of)
    checkpoint.remove()
    return run.id
