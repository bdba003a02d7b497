"""What the training stages have in common: train, keep the best prompt, score, store."""

import json
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from math import ceil
from statistics import fmean
from typing import TypeVar

import torch

from mpt.backbone import Backbone
from mpt.checkpoint import SHARE, Checkpoint
from mpt.encoding import Encoded
from mpt.learner import Learner
from mpt.peft_format import pack
from mpt.prompt import MultitaskPrompt, Prompt
from mpt.train import Schedule, training
from pipelines.baseline_spec import BaselineSpec
from pipelines.exam import Exam, answer
from pipelines.group_spec import GroupSpec
from pipelines.intervals import mean_of
from pipelines.mirrored import Mirrored
from pipelines.recording import MadePrompt, Recording, ScoreInfo
from pipelines.records import Kind, Request, combined
from pipelines.services import Services
from pipelines.spec import AdaptSpec, FewShotSpec, LearnSpec, TeachSpec

MEAN = "mean"  # the metric of a prompt for several tasks: the mean of their primary ones

Drawn = TypeVar("Drawn")
Recipe = TeachSpec | LearnSpec | AdaptSpec | GroupSpec | FewShotSpec | BaselineSpec


def generator(seed: int) -> torch.Generator:
    """Return a generator of our own: torch's global one is shared by every thread."""
    return torch.Generator().manual_seed(seed)


def fitting(
    learner: Learner,
    validate: Callable[[], float],
    spec: Recipe,
    request: Request,
    recording: Recording,
    *,
    svc: Services,
    batches: Iterable[Drawn],
) -> Generator[Drawn, float, Checkpoint]:
    """Train, and fill in how that went; return the checkpoint, to remove once that is kept.

    It yields what a step draws, and is sent its loss; see `mpt.train.training`.

    Args:
        learner: what is trained, in place; it is left as it validated best.
        validate: its score as it is.
        spec: the recipe.
        request: what was asked; its digest is the checkpoint's identity.
        recording: what lineage will keep.
        svc: the outside world.
        batches: what each step draws.
    """
    checkpoint = _checkpoint(request, svc)
    schedule = Schedule(
        steps=spec.steps,
        learning_rate=spec.learning_rate,
        factor_learning_rate=getattr(spec, "factor_learning_rate", spec.learning_rate),
        validate_every=ceil(spec.steps / spec.validations),
        weight_decay=spec.weight_decay,
        warmup=spec.warmup,
        clip=spec.clip,
        patience=getattr(spec, "patience", None),
    )
    with svc.progress(request.stage, request.task, spec.steps) as on_step:
        trained = yield from training(
            learner, batches, schedule, validate=validate, checkpoint=checkpoint, on_step=on_step
        )
    recording.curve = trained.curve
    recording.losses_sha = svc.store.put(json.dumps(trained.losses).encode())
    recording.trained, recording.steps = learner.num_trained, len(trained.losses)
    recording.resumed_sha = trained.resumed
    return checkpoint


def _checkpoint(request: Request, svc: Services) -> Checkpoint:
    svc.checkpoints.mkdir(parents=True, exist_ok=True)
    file = svc.checkpoints / f"{request.sha}.safetensors"
    share = SHARE / svc.side_by_side
    if svc.mirror:
        return Mirrored(file, request.sha, share, place=svc.mirror)
    return Checkpoint(file, request.sha, share)


@dataclass(frozen=True)
class Fit:
    """One training of one prompt, by any of the stages.

    Args:
        prompt: what is trained, in place.
        backbone: what it steers.
        exams: the validation rows of each task, and their tokens; task k of the prompt answers
            exam k.
        kind: what lineage calls the prompt.
    """

    prompt: Prompt
    backbone: Backbone
    exams: Sequence[tuple[Exam, Encoded]]
    kind: Kind

    def steps(
        self,
        spec: Recipe,
        request: Request,
        recording: Recording,
        svc: Services,
        *,
        batches: Iterable[Drawn],
    ) -> Generator[Drawn, float, Checkpoint]:
        """Train, and fill in `recording`; return the checkpoint, to remove once that is kept.

        It yields what a step draws, and is sent its loss; see `mpt.train.training`.

        Args:
            spec: the recipe.
            request: what was asked; its digest is the checkpoint's identity.
            recording: what lineage will keep.
            svc: the outside world.
            batches: what each step draws.
        """
        self.prompt.to(self.backbone.device)
        checkpoint = yield from fitting(
            self.prompt, lambda: self._validate(svc), spec, request, recording,
            svc=svc, batches=batches,
        )  # fmt: skip
        recording.scores += self.scores(svc)
        tasks = [exam.task.name for exam, _ in self.exams]
        recording.prompt = keep(self.prompt, tasks, self.kind, svc)
        return checkpoint

    def _validate(self, svc: Services) -> float:
        return fmean(exam.primary(answers) for exam, answers in self._answers(svc))

    def _answers(self, svc: Services) -> list[tuple[Exam, list[str]]]:
        answers = []
        for k, (exam, asked) in enumerate(self.exams):
            prompt = self.prompt.task(k).detach()
            given = answer(self.backbone, prompt, exam.task, asked, svc.batch_size)
            answers.append((exam, given))
        return answers

    def scores(self, svc: Services) -> list[ScoreInfo]:
        """Return the validation scores of the prompt, and of the commonest answer.

        They are each task's, and the mean over several.
        """
        ours = [exam.scores(answers, svc.store, "prompt") for exam, answers in self._answers(svc)]
        plain = [exam.majority(svc.store) for exam, _ in self.exams]
        if len(ours) == 1 and self.kind != "source":
            return [*ours[0], *plain[0]]
        mean = replace(_mean(ours), is_primary=True)
        each = [replace(one, is_primary=False) for scores in ours for one in scores]
        return [mean, *each, _mean(plain), *chain.from_iterable(plain)]


def _mean(scores: Sequence[Sequence[ScoreInfo]]) -> ScoreInfo:
    """Return the mean of each task's first score."""
    firsts = [of_task[0] for of_task in scores]
    return ScoreInfo(
        dataset=combined([one.dataset for one in firsts]), metric=MEAN,
        value=fmean(one.value for one in firsts), n=sum(one.n for one in firsts),
        method=firsts[0].method,
        interval=mean_of([one.value for one in firsts], [one.interval for one in firsts]),
    )  # fmt: skip


def keep(prompt: Prompt, tasks: Sequence[str], kind: Kind, svc: Services) -> MadePrompt:
    """Store a prompt; return what lineage says of it.

    Args:
        prompt: what is stored.
        tasks: the name of each of its tasks, in order.
        kind: what lineage calls it.
        svc: where the store is.
    """
    data = pack(prompt)
    length, hidden = prompt.task(0).shape
    rank = prompt.rank if isinstance(prompt, MultitaskPrompt) else None
    return MadePrompt(
        sha=svc.store.put(data), kind=kind, num_tokens=length, hidden_size=hidden,
        bytes=len(data), tasks=tuple(tasks) if rank else (), rank=rank,
    )  # fmt: skip
