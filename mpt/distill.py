"""What the student prompt learns from the teachers of its source tasks. Shapes: mpt.prompt."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from mpt.backbone import Backbone
from mpt.encoding import IGNORED, Batch
from mpt.prompt import Prefix, Prompt
from mpt.signals import Signals


class UnequalPrompts(ValueError):
    """A student cannot be compared with its teachers state by state."""

    def __init__(self, student: int, teacher: int) -> None:
        super().__init__(
            f"the student prompt has {student} tokens, its teachers {teacher}: encoder states are "
            "compared position by position, so give them one length, or distil no encoder layer"
        )


@dataclass(frozen=True, kw_only=True)
class Distillation:
    """What is distilled, and how much it counts beside the task's own loss.

    Wang et al. 2023, equations 3 to 5. The weight of 0.9 is the paper's; temperature and layers
    are not in what could be read of it, so they are ours: the decoder's last state only, because
    it is cheap to keep.
    """

    weight: float = 0.9
    """λ: 0 is plain multitask training, and the teachers are not run."""
    temperature: float = 2.0
    logits: bool = True
    decoder_layers: tuple[int, ...] = (-1,)
    """Numbered as Hugging Face does: 0 is the input, -1 the last."""
    encoder_layers: tuple[int, ...] = ()


def source_loss(
    backbone: Backbone, student: Prompt, taught: Signals | None, batch: Batch,
    settings: Distillation,
) -> Tensor:  # fmt: skip
    """Return the task loss plus λ times the distillation loss, a scalar.

    Args:
        backbone: the frozen model that the prompts steer.
        student: the prompt that learns.
        taught: what the teachers say about the batch; None where nothing is distilled.
        batch: rows of any of the K tasks.
        settings: λ and what is compared.
    """
    if taught is None or settings.weight == 0:
        return backbone(student(batch.task_ids), batch).loss  # type: ignore[no-any-return]
    heard = backbone(
        student(batch.task_ids), batch, settings.encoder_layers, settings.decoder_layers
    )
    loss: Tensor = heard.loss + settings.weight * distillation_loss(heard, taught, batch, settings)
    return loss


@torch.no_grad()
def teach(backbone: Backbone, teachers: Tensor, batch: Batch, settings: Distillation) -> Signals:
    """Return what the teacher of each row's task says about it; no gradient reaches it.

    Args:
        backbone: the frozen model.
        teachers: the vanilla prompt of each task, [K, P, H].
        batch: rows of any of the K tasks.
        settings: what is compared.
    """
    layers = (settings.encoder_layers, settings.decoder_layers)
    said: Signals = backbone(_present(teachers, batch.task_ids), batch, *layers)
    return said


def distillation_loss(
    student: Signals, teacher: Signals, batch: Batch, settings: Distillation
) -> Tensor:
    """KL(teacher || student) of the logits, plus mean squared error of the hidden states.

    The KL divergence is the mean over label tokens, in nats, of softmax(logits / temperature),
    without the factor temperature² that Hinton et al. 2015 add and the paper does not. The error
    of one layer is the mean over valid positions × H; several layers of one stack are averaged,
    the two stacks are added. Valid are the label tokens in the decoder; the prompt and the input
    tokens in the encoder. Padding does not count.

    Returns:
        Scalar, without the weight λ.

    Raises:
        UnequalPrompts: encoder layers are compared, and the prompts differ in length.
    """
    keep = batch.labels != IGNORED  # [B, S]
    loss = student.logits.new_zeros(())
    if settings.logits:
        loss = loss + _divergence(student.logits[keep], teacher.logits[keep], settings.temperature)
    if settings.decoder_layers:
        loss = loss + _error(student.decoder_hidden, teacher.decoder_hidden, keep)
    if settings.encoder_layers:
        ours, theirs = student.encoder_mask, teacher.encoder_mask
        assert ours is not None, "who has encoder layers has this"
        assert theirs is not None, "the same backbone"
        if ours.shape != theirs.shape:
            text = batch.mask.shape[1]
            raise UnequalPrompts(ours.shape[1] - text, theirs.shape[1] - text)
        loss = loss + _error(student.encoder_hidden, teacher.encoder_hidden, ours.bool())
    return loss


def _present(teachers: Tensor, task_ids: Tensor) -> Prefix:
    """Return the teachers of the tasks in a batch: the others need not be run."""
    present, owners = torch.unique(task_ids, return_inverse=True)
    return Prefix(teachers[present], owners)


def _divergence(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    # Both [label tokens, V]; "batchmean" divides the sum by the number of tokens.
    return F.kl_div(
        (student / temperature).log_softmax(dim=-1),
        (teacher / temperature).log_softmax(dim=-1),
        log_target=True,
        reduction="batchmean",
    )


def _error(student: Sequence[Tensor], teacher: Sequence[Tensor], keep: Tensor) -> Tensor:
    # Each layer [B, positions, H]. Differences in float32: bfloat16 would round them away.
    layers = zip(student, teacher, strict=True)
    errors = [F.mse_loss(_precise(ours[keep]), _precise(theirs[keep])) for ours, theirs in layers]
    return torch.stack(errors).mean()


def _precise(states: Tensor) -> Tensor:
    return states if states.dtype == torch.float64 else states.float()
