"""Few-shot learning: a context of a few examples, which CPT moves, or which stays as it is.

Blau et al. 2024, arXiv 2410.17222; with no steps it is in-context learning.
"""

from collections.abc import Sequence
from hashlib import sha256

from torch import Tensor

from mpt.backbone import Backbone
from mpt.context import Context, Shot, build, check_first_tokens
from mpt.cpt import context_loss, start
from mpt.decoder_only import DecoderOnly
from mpt.peft_format import unpack
from mpt.prompt import MultitaskPrompt
from mpt.sampling import plain_batches
from mpt.train import alone
from pipelines.asking import ask
from pipelines.exam import Exam
from pipelines.inputs import TaskInput
from pipelines.prompts import check_backbone
from pipelines.records import PromptRecord, Request
from pipelines.services import Services
from pipelines.spec import FewShotSpec
from pipelines.training import Fit, generator


class NotDecoderOnly(ValueError):
    """A context is to stand before the inputs of an encoder-decoder."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the backbone {name!r} is an encoder-decoder: a context of examples needs a "
            "decoder-only one; give nano-lm, or the name of a causal model"
        )


class ContextInFront(ValueError):
    """A context is to stand before a context."""

    def __init__(self, prompt: PromptRecord) -> None:
        super().__init__(
            f"prompt {prompt.sha[:12]} is a context for {prompt.task!r}: put a source, target or "
            "teacher prompt in front of a context"
        )


def few_shot(spec: FewShotSpec, front: str | None, svc: Services) -> str:
    """Move a context of `spec.draw`'s examples; return the id of the run that did.

    If a run has already done the same, its id is returned and nothing is trained.

    Args:
        spec: the recipe.
        front: digest of a prompt of the same backbone to stand before the context, or none.
        svc: the outside world.

    Raises:
        NotDecoderOnly: the backbone is an encoder-decoder.
        TooFewExamples: there are not so many to draw from.
        MergedLabel, SameFirstToken: the tokenizer does not tell the labels apart.
        TooLong: front, context and input are over what the backbone can read.
        UnknownId: lineage does not know the front.
        WrongBackbone, ContextInFront: it cannot stand there.
        Busy: another process is at the same run.
    """
    given, before = svc.task(spec.task), svc.lineage.get_prompt(front) if front else None
    backbone = svc.backbone(spec.backbone, spec.precision)
    context = check_context(spec, given, before, backbone)
    assert isinstance(backbone, DecoderOnly), "just checked"
    request = _request(spec, given, before, context, svc)
    if done := svc.lineage.find(request.sha):
        return done.id
    with svc.lineage.record(request) as run:
        exam = Exam.open(given, "validation", spec.validation_rows)
        asked = given.encode(backbone, exam.examples, spec.max_length, behind_context=True)
        prompt = start(
            backbone, context, input_radius=spec.input_radius, format_radius=spec.format_radius,
            front=_vector(before, spec, svc) if before else None,
        )  # fmt: skip

        def loss_of(drawn: Sequence[int]) -> Tensor:
            return context_loss(backbone, prompt, drawn, spec.decay)

        run.truncated = asked.truncated
        run.warnings += given.data.warnings
        fit = Fit(prompt, backbone, [(exam, asked)], "context")
        batches = plain_batches(context.num_examples, spec.batch_size, spec.seed)
        checkpoint = alone(fit.steps(spec, request, run, svc, batches=batches), loss_of)
    checkpoint.remove()
    return run.id


def check_context(
    spec: FewShotSpec, given: TaskInput, front: PromptRecord | None, backbone: Backbone
) -> Context:
    """Return the context of `spec`, or refuse it; see `few_shot`."""
    if not isinstance(backbone, DecoderOnly):
        raise NotDecoderOnly(spec.backbone)
    if front:
        check_backbone(front, spec.backbone, backbone)
        if front.kind == "context":
            raise ContextInFront(front)
    check_first_tokens(backbone, given.task.labels)
    shots = [Shot(one.input, one.fields, one.answers[0]) for one in given.training(None, spec.draw)]
    context = build(backbone, shots)
    length = len(context.ids) + (front.num_tokens if front else 0)
    given.check_length(backbone, spec.backbone, length, spec.max_length, instead="fewer shots")
    return context


def _request(
    spec: FewShotSpec,
    given: TaskInput,
    front: PromptRecord | None,
    context: Context,
    svc: Services,
) -> Request:
    # Which tokens are words and which are format is not in the rows, and changes what is moved.
    roles = sha256(context.roles.numpy().tobytes()).hexdigest()
    return ask(
        "few_shot",
        spec,
        given.task.name,
        svc.backbone(spec.backbone, spec.precision),
        svc,
        given=[given],
        datasets={
            "train": [given.training_info(None, spec.draw)],
            "validation": [given.info("validation", spec.validation_rows)],
        },
        limits=[given.limits(spec.max_length), roles],
        reads={"front": [front.sha]} if front else None,
    )


def _vector(front: PromptRecord, spec: FewShotSpec, svc: Services) -> Tensor:
    """Return the prompt in front, [P, H]: a source prompt as an adaptation would begin with it."""
    prompt = unpack(svc.store.get(front.sha))
    if isinstance(prompt, MultitaskPrompt) and prompt.num_tasks > 1:
        prompt = prompt.for_targets(1, "average", True, generator(spec.seed))
    return prompt.task(0).detach()
