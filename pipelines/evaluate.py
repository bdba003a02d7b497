"""Evaluation: the test scores of a prompt, of no prompt (zero-shot), or of the commonest answer."""

from pipelines.asking import ask
from pipelines.exam import Exam, answer
from pipelines.prompts import check_backbone, vector
from pipelines.records import PromptRecord
from pipelines.services import Services
from pipelines.spec import EvaluateSpec
from tasks import Task, majority


class NoPrompt(ValueError):
    """A prompt is to be evaluated, and none is named; or one is named where none is used."""

    def __init__(self, method: str, prompt: str | None) -> None:
        given = f"prompt {prompt[:12]} was given" if prompt else "no prompt was given"
        wants = "needs one" if prompt is None else "uses none"
        super().__init__(f"the method {method!r} {wants}, and {given}: change one of the two")


def evaluate(spec: EvaluateSpec, prompt: str | None, svc: Services) -> str:
    """Score on the test split of `spec.task`; return the id of the run that did.

    If a run has already done the same, its id is returned and nothing is computed.

    Args:
        spec: the recipe.
        prompt: the digest of the prompt, for the method "prompt" only.
        svc: the outside world.

    Raises:
        NoPrompt: method and prompt do not fit.
        UnknownId: lineage does not know the prompt.
        WrongBackbone: it was trained for another backbone.
        WrongTask: it was trained for another task, and `spec.task` is not a diagnostic set of it.
        Busy: another process is at the same run.
    """
    if (prompt is None) == (spec.method == "prompt"):
        raise NoPrompt(spec.method, prompt)
    given = svc.task(spec.task)
    known = svc.lineage.get_prompt(prompt) if prompt else None
    backbone = None
    if spec.method != "majority":
        backbone = svc.backbone(spec.backbone, spec.precision)
        if known:
            check_backbone(known, spec.backbone, backbone)
        length = known.num_tokens if known else 0
        given.check_length(backbone, spec.backbone, length, spec.max_length)
    exam = Exam.open(given, "test", spec.test_rows)
    request = ask(
        "evaluate",
        spec,
        given.task.name,
        backbone,
        svc,
        given=[given],
        datasets={
            "train": [given.info("train")] if backbone is None else [],
            "test": [exam.dataset],
        },
        limits=[given.limits(spec.max_length)],
        reads={"evaluated": [known.sha]} if known else None,
    )
    if done := svc.lineage.find(request.sha):
        return done.id
    steering = vector(known, _part(known, given.task), svc) if known else None
    with svc.lineage.record(request) as run, svc.progress("evaluate", request.task, 0):
        if backbone is None:
            answers = majority(given.task, given.examples("train"), exam.examples)
        else:
            behind = known is not None and known.kind == "context"
            encoded = given.encode(backbone, exam.examples, spec.max_length, behind)
            answers = answer(backbone, steering, given.task, encoded, svc.batch_size)
            run.truncated = encoded.truncated
        run.scores += exam.scores(answers, svc.store, spec.method)
        run.warnings += given.data.warnings
    return run.id


def _part(prompt: PromptRecord, task: Task) -> str:
    """Return whose part of `prompt` answers `task`: a diagnostic set has none of its own."""
    known = prompt.tasks or (prompt.task,)
    return next((name for name in task.trained_on if name in known), task.name)
