"""Source training: one shared prompt for all source tasks, taught by their teachers.

Wang et al. 2023, section 3: task loss plus λ times distillation, in batches of mixed tasks.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from mpt.backbone import Backbone
from mpt.distill import Distillation, source_loss, teach
from mpt.encoding import Batch, Encoded
from mpt.initial import mean, vocabulary
from mpt.peft_format import unpack
from mpt.prompt import MultitaskPrompt
from mpt.signals import Signals
from mpt.teacher_states import TeacherStates, can_keep
from pipelines.inputs import TaskInput
from pipelines.mixture import Drawn, Mixture, ask_mixed
from pipelines.prompts import check_backbone
from pipelines.records import MULTITASK, PromptRecord, ReadRole
from pipelines.services import Services
from pipelines.spec import LearnSpec
from pipelines.training import Fit, generator


class WrongTeachers(ValueError):
    """The teachers are not those of the source tasks, or are of another length."""

    def __init__(self, spec: LearnSpec, given: Sequence[PromptRecord]) -> None:
        has = ", ".join(f"{one.task} ({one.num_tokens} tokens)" for one in given)
        super().__init__(
            f"the source tasks are {', '.join(spec.tasks)}, and the prompt has "
            f"{spec.prompt_length} tokens, but the teachers are for {has or 'none'}: give one "
            "teacher of that length for each task, in the same order"
        )


def learn(spec: LearnSpec, teachers: Sequence[str], svc: Services) -> str:
    """Train one prompt on all of `spec.tasks`; return the id of the run that did.

    If a run has already done the same, its id is returned and nothing is trained.

    Args:
        spec: the recipe.
        teachers: digests of the vanilla prompts of the tasks, in their order. Not needed where
            nothing is distilled and the shared prompt starts from the vocabulary.
        svc: the outside world.

    Raises:
        UnknownId: lineage does not know one of the teachers.
        WrongTeachers: they are for other tasks, or of another length.
        WrongBackbone: one was trained for another backbone.
        SameRows: two of the tasks have the same ones.
        TooLong: prompt and input are over what the backbone declares.
        Busy: another process is at the same run.
    """
    backbone = svc.backbone(spec.backbone, spec.precision)
    given = [svc.task(name) for name in spec.tasks]
    for one in given:
        one.check_length(backbone, spec.backbone, spec.prompt_length, spec.max_length)
    needed = spec.distillation.weight > 0 or spec.start == "teachers"
    known = _check_teachers(spec, teachers, given, svc) if needed else []
    reads: dict[ReadRole, list[str]] = {"teacher": [one.sha for one in known]} if known else {}
    request = ask_mixed("learn", spec, MULTITASK, given, svc, reads=reads)
    if done := svc.lineage.find(request.sha):
        return done.id
    with svc.lineage.record(request) as run:
        prompts = [unpack(svc.store.get(one.sha)).task(0).detach() for one in known]
        mixture = Mixture.open(spec, given, backbone)
        prompt = _first(spec, prompts, backbone)
        settings = Distillation(
            weight=spec.distillation.weight,
            temperature=spec.distillation.temperature,
            logits=spec.distillation.logits,
            decoder_layers=tuple(spec.distillation.decoder_layers),
            encoder_layers=tuple(spec.distillation.encoder_layers),
        )
        stacked = torch.stack(prompts).to(backbone.device) if prompts else torch.empty(0)

        taught = _teaching(
            spec, settings, svc, backbone=backbone, teachers=stacked, rows=mixture.rows
        )

        def loss_of(drawn: Drawn, batch: Batch) -> Tensor:
            return source_loss(backbone, prompt, taught(drawn, batch), batch, settings)

        fit = Fit(prompt, backbone, mixture.exams, "source")
        checkpoint = mixture.train(fit, loss_of, spec, request, run=run, svc=svc)
    checkpoint.remove()
    return run.id


def _teaching(
    spec: LearnSpec, settings: Distillation, svc: Services, *, backbone: Backbone,
    teachers: Tensor, rows: Sequence[Encoded],
) -> Callable[[Drawn, Batch], Signals | None]:  # fmt: skip
    """Return what tells what the teachers [K, P, H] say about rows that are drawn."""
    if not settings.weight:
        return lambda drawn, batch: None
    # Where most rows are drawn once only, keeping costs more than it saves.
    again = spec.steps * spec.batch_size > sum(map(len, rows))
    if again and can_keep(settings):
        kept = TeacherStates(backbone, teachers, rows, svc.cache / "teachers")
        return lambda drawn, batch: kept.signals(drawn, batch, settings)
    return lambda drawn, batch: teach(backbone, teachers, batch, settings)


def _check_teachers(
    spec: LearnSpec, teachers: Sequence[str], given: Sequence[TaskInput], svc: Services
) -> list[PromptRecord]:
    backbone = svc.backbone(spec.backbone, spec.precision)
    known = [svc.lineage.get_prompt(sha) for sha in teachers]
    for one in known:
        check_backbone(one, spec.backbone, backbone)
    wanted = [(one.task.name, spec.prompt_length) for one in given]
    if [(one.task, one.num_tokens) for one in known] != wanted:
        raise WrongTeachers(spec, known)
    return known


def _first(spec: LearnSpec, teachers: Sequence[Tensor], backbone: Backbone) -> MultitaskPrompt:
    """Return the prompt to train; `teachers` are [P, H] each."""
    draws = generator(spec.seed)
    if spec.start == "teachers":
        shared = mean(teachers)
    else:
        shared = vocabulary(backbone, spec.prompt_length, draws)
    prompt = MultitaskPrompt.start(shared, len(spec.tasks), spec.rank, spec.factors, draws)
    prompt.freeze_absent_tasks = spec.freeze_absent_tasks
    return prompt
