"""Several trainings on one frozen backbone at once: one forward pass, and a loss for each.

Their prompts are disjoint, so one backward pass of the sum gives each its own gradient. All else is
each training's own: optimizer, clipping, rates, validation, and when it ends. Shapes: mpt.prompt.
"""

from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor
from torch.nn import functional as F

from mpt.backbone import Backbone
from mpt.encoding import IGNORED, Encoded, mixed_batch
from mpt.prompt import Prefix, Prompt

Result = TypeVar("Result")


class Asked(NamedTuple):
    """A training's batch: rows of one task, behind its prompt."""

    prompt: Prompt
    rows: Encoded
    drawn: Sequence[int]


def loss_of(backbone: Backbone, asked: Asked) -> Tensor:
    """Return the loss of one training's batch, a scalar."""
    batch = asked.rows.batch(asked.drawn, [0] * len(asked.drawn), backbone.device)
    loss: Tensor = backbone(asked.prompt(batch.task_ids), batch).loss
    return loss


def losses_of(backbone: Backbone, asked: Sequence[Asked]) -> list[Tensor]:
    """Return the loss of each training's batch, scalars: each the mean of its own label tokens.

    The prompts are of one length, [P, H] each.
    """
    drawn = [(at, row) for at, one in enumerate(asked) for row in one.drawn]
    batch = mixed_batch([one.rows for one in asked], drawn, backbone.device)
    first = batch.task_ids.new_zeros(1)
    prompts = torch.cat([one.prompt(first).prompts for one in asked])
    logits = backbone(Prefix(prompts, batch.task_ids), batch).logits
    sizes = [len(one.drawn) for one in asked]
    pairs = zip(torch.split(logits, sizes), torch.split(batch.labels, sizes), strict=True)
    return [
        F.cross_entropy(mine.flatten(0, 1), labels.flatten(), ignore_index=IGNORED)
        for mine, labels in pairs
    ]


def together(
    backbone: Backbone, trainings: Sequence[Generator[Asked, float, Result]]
) -> list[Result | Exception]:
    """Take all steps of all trainings, side by side; return what each ended with.

    A training that fails ends alone, with its exception. What stops the forward pass, or comes from
    outside as Ctrl-C does, is raised in all that are under way, and then here.

    Args:
        backbone: the frozen model.
        trainings: generators that yield what they ask for and are sent its loss, as those of
            `mpt.train.training` do.
    """
    ended: dict[int, Result | Exception] = {}
    asked: dict[int, Asked] = {}

    def go_on(at: int, loss: float | None) -> None:
        asked.pop(at, None)
        try:
            asked[at] = trainings[at].send(loss)  # type: ignore[arg-type]
        except StopIteration as done:
            ended[at] = done.value
        except Exception as error:  # noqa: BLE001, who called gets it
            ended[at] = error

    try:
        for at in range(len(trainings)):
            go_on(at, None)
        while asked:
            for some in _of_one_length(asked):
                losses = losses_of(backbone, [asked[at] for at in some])
                torch.stack(losses).sum().backward()  # type: ignore[no-untyped-call]
                for at, loss in zip(some, losses, strict=True):
                    go_on(at, loss.item())
    except BaseException as stop:
        for one in trainings:
            with suppress(BaseException):
                one.throw(stop)
        raise
    return [ended[at] for at in range(len(trainings))]


def _of_one_length(asked: Mapping[int, Asked]) -> list[list[int]]:
    """Return which of the trainings have prompts of one length."""
    lengths: dict[int, list[int]] = {}
    for at, one in asked.items():
        lengths.setdefault(len(one.prompt.task(0)), []).append(at)
    return list(lengths.values())
