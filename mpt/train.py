"""The one training loop: all prompts, contexts and baselines use it."""

import json
import math
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Generic, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from mpt.checkpoint import Checkpoint, State
from mpt.learner import Learner

Drawn = TypeVar("Drawn")
Result = TypeVar("Result")
OnStep = Callable[[int, float], None]


def nobody(step: int, loss: float) -> None:
    """Tell nobody about a step."""


class NonFinite(ArithmeticError):
    """A training went to infinity, or produced no number at all."""

    def __init__(self, what: str, step: int, value: float) -> None:
        super().__init__(
            f"the {what} of step {step} is {value}: the training was stopped there; try smaller "
            "learning rates, or float32 if the backbone runs in bfloat16"
        )


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How long and how fast something learns.

    The rates 0.3 and 0.4 of Wang et al. 2023 go with AdamW, batches of 32 and the clip below.
    """

    steps: int
    learning_rate: float
    """Of the prompt itself: a vanilla prompt, or the shared one."""
    factor_learning_rate: float
    """Of each task's own factors."""
    validate_every: int
    """Steps from one validation to the next; there is always one at the end."""
    weight_decay: float = 1e-5
    warmup: float = 0.1
    """The share of the steps in which the rates rise from near 0; then they fall to near 0."""
    clip: float = 1.0
    """The largest L2 norm of all gradients together."""
    patience: int | None = None
    """It ends after so many validations in a row that are no better than the best before."""

    def scale(self, step: int) -> float:
        """Return the factor on both rates at `step`, counted from 0; it is never 0."""
        rising = round(self.warmup * self.steps)
        if step < rising:
            return (step + 1) / (rising + 1)
        return (self.steps - step) / (self.steps - rising)

    def is_over(self, curve: Sequence[tuple[int, float]], best_step: int) -> bool:
        """Say whether `patience` is used up, after validations of which the best was there."""
        since = sum(step > best_step for step, _ in curve)
        return self.patience is not None and since >= self.patience


@dataclass(frozen=True)
class Trained:
    """What a training leaves behind, besides the learner in its best state."""

    losses: list[float]
    """One for each step, of resumed steps too."""
    curve: list[tuple[int, float]]
    """(steps taken, validation score) of each validation."""
    best_step: int
    """How many steps the best state had taken; all of them without validation."""
    best_score: float | None
    resumed: str | None = field(default=None, compare=False)
    """SHA-256 of the content of the checkpoint that it went on from, if it did. Not compared: a
    resumed training leaves the same behind as one that nobody stopped."""


def train(
    learner: Learner,
    batches: Iterable[Drawn],
    loss_of: Callable[[Drawn], Tensor],
    schedule: Schedule,
    *,
    validate: Callable[[], float] | None = None,
    checkpoint: Checkpoint | None = None,
    on_step: OnStep = nobody,
) -> Trained:
    """Train `learner` alone; `loss_of` gives the loss of what was drawn. See `training`."""
    one = training(
        learner, batches, schedule, validate=validate, checkpoint=checkpoint, on_step=on_step
    )
    return alone(one, loss_of)


def alone(one: Generator[Drawn, float, Result], loss_of: Callable[[Drawn], Tensor]) -> Result:
    """Take all steps of a training, each with the loss of what it draws; return its result.

    What stops the forward or the backward pass is raised in the training too, and then here.
    """
    drawn = _next(one, None)
    while not isinstance(drawn, _Ended):
        try:
            loss = loss_of(drawn)
            loss.backward()  # type: ignore[no-untyped-call]
        except BaseException as error:
            one.throw(error)
            raise
        drawn = _next(one, loss.item())
    result: Result = drawn.result
    return result


class _Ended(NamedTuple, Generic[Result]):
    result: Result


def _next(one: Generator[Drawn, float, Result], loss: float | None) -> Drawn | _Ended[Result]:
    try:
        return one.send(loss)  # type: ignore[arg-type]
    except StopIteration as ended:
        return _Ended(ended.value)


def training(
    learner: Learner,
    batches: Iterable[Drawn],
    schedule: Schedule,
    *,
    validate: Callable[[], float] | None = None,
    checkpoint: Checkpoint | None = None,
    on_step: OnStep = nobody,
) -> Generator[Drawn, float, Trained]:
    """Train `learner`, and leave it in the state that validated best (the earliest of equals).

    It yields what a step draws, and is sent the loss of that when the gradients of `learner` are
    there: several trainings can go through a backbone together (`mpt.together`).

    Args:
        learner: what is trained; parameters that require no gradient are left alone.
        batches: what each step draws, from step 0 on. A resumed training skips those it has had,
            so let it yield row numbers, and make tensors of them later.
        schedule: steps and rates.
        validate: its score as it is; higher is better.
        checkpoint: where to resume from and to save to.
        on_step: called after each step with the steps taken so far and its loss.

    Raises:
        NonFinite: a loss, a gradient, a score or a weight is infinite or not a number.
    """
    optimizer = _optimizer(learner, schedule)
    state = State.begin()
    identity = json.dumps(asdict(schedule), sort_keys=True)
    if checkpoint and (saved := checkpoint.load(learner, optimizer, identity)):
        state = saved
    for drawn in islice(batches, state.step, schedule.steps):
        if schedule.is_over(state.curve, state.best_step):
            break
        optimizer.zero_grad(set_to_none=True)  # None, not 0: AdamW leaves absent tasks alone
        loss = yield drawn
        _step(learner, optimizer, loss, schedule, state.step)
        state.step += 1
        state.losses.append(loss)
        if validate and (state.step % schedule.validate_every == 0 or state.step == schedule.steps):
            _keep_best(learner, state, validate())
        if checkpoint and checkpoint.is_due():
            checkpoint.save(learner, optimizer, identity, state)
        on_step(state.step, loss)
    if state.best:
        learner.load_state_dict(state.best)
    best_step = state.best_step if state.best else state.step
    return Trained(state.losses, state.curve, best_step, state.best_score, state.resumed)


def _optimizer(learner: Learner, schedule: Schedule) -> torch.optim.AdamW:
    groups = [
        (learner.slow(), schedule.learning_rate),
        (learner.fast(), schedule.factor_learning_rate),
    ]
    return torch.optim.AdamW(
        [{"params": _trainable(params), "lr": rate, "rate": rate} for params, rate in groups],
        weight_decay=schedule.weight_decay,
    )


def _trainable(parameters: Iterable[nn.Parameter]) -> list[nn.Parameter]:
    return [parameter for parameter in parameters if parameter.requires_grad]


def _step(
    learner: Learner, optimizer: torch.optim.Optimizer, loss: float, schedule: Schedule, step: int
) -> None:
    if not math.isfinite(loss):
        raise NonFinite("loss", step + 1, loss)
    norm = nn.utils.clip_grad_norm_(_trainable(learner.parameters()), schedule.clip).item()
    if not math.isfinite(norm):
        raise NonFinite("gradient", step + 1, norm)
    for group in optimizer.param_groups:
        group["lr"] = group["rate"] * schedule.scale(step)
    optimizer.step()
    learner.project_()
    for weight in _trainable(learner.parameters()):
        if not weight.isfinite().all():
            raise NonFinite("largest weight", step + 1, weight.abs().max().item())


def _keep_best(learner: Learner, state: State, score: float) -> None:
    if not math.isfinite(score):
        raise NonFinite("validation score", state.step, score)
    state.curve.append((state.step, score))
    if state.best_score is None or score > state.best_score:
        state.best_score, state.best_step = score, state.step
        state.best = {name: value.clone() for name, value in learner.state_dict().items()}
