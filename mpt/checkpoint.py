"""A training's state on disk: one safetensors file, so no pickle, written all or not at all."""

import hashlib
import json
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from mpt import files
from mpt.learner import Learner

FORMAT = "prompt-transfer checkpoint 1"
SHARE = 0.03
MOMENTS = ("step", "exp_avg", "exp_avg_sq")  # what AdamW keeps of each parameter


class CheckpointIgnored(UserWarning):
    """A checkpoint cannot be used, and the training starts afresh."""

    def __init__(self, path: Path, reason: object) -> None:
        super().__init__(
            f"the checkpoint {path.name} is not used ({reason}): training starts afresh"
        )


class Header(TypedDict):
    """What a file says beside its tensors."""

    format: str
    identity: str
    schedule: str
    step: int
    curve: list[tuple[int, float]]
    best_step: int
    best_score: float | None


class NotThisTraining(ValueError):
    """A checkpoint is whole or broken, but cannot continue the training at hand."""


@dataclass
class State:
    """How far a training has come, besides what learner and optimizer hold."""

    step: int
    losses: list[float]
    curve: list[tuple[int, float]]
    best_step: int = 0
    best_score: float | None = None
    best: dict[str, Tensor] = field(default_factory=dict)
    """The learner's state dict when it scored best; empty before the first validation."""
    resumed: str | None = None
    """SHA-256 of the content of the checkpoint that it went on from; None from the start."""

    @classmethod
    def begin(cls) -> "State":
        """Return the state of a training that has not begun."""
        return cls(0, [], [])


@dataclass
class Checkpoint:
    """Where a training saves itself: after its first step, and then as often as it may.

    Args:
        path: the file.
        identity: what is trained on what; a file with another identity is not used.
        share: of the time may be spent on saving; what is lost with a kill is about
            1 / `share` times what a save takes. When it saves changes no result.
    """

    path: Path
    identity: str = ""
    share: float = SHARE
    _next: float = field(default=0.0, init=False)  # in seconds of the monotonic clock

    def is_due(self) -> bool:
        """Say whether it is time to save."""
        return time.monotonic() >= self._next

    def save(
        self, learner: Learner, optimizer: torch.optim.Optimizer, schedule: str, state: State
    ) -> None:
        """Replace the file by one with everything that the next step depends on."""
        began = time.monotonic()
        tensors = {f"prompt.{name}": value for name, value in learner.state_dict().items()}
        tensors |= {f"best.{name}": value for name, value in state.best.items()}
        for name, parameter in learner.named_parameters():
            kept = optimizer.state.get(parameter, {})  # nothing for a task that was never drawn
            tensors |= {f"{part}.{name}": value for part, value in kept.items()}
        tensors["losses"] = torch.tensor(state.losses, dtype=torch.float64)
        tensors = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
        header: Header = {
            "format": FORMAT,
            "identity": self.identity,
            "schedule": schedule,
            "step": state.step,
            "curve": state.curve,
            "best_step": state.best_step,
            "best_score": state.best_score,
        }
        # One metadata key: safetensors writes several in no fixed order.
        signed = {"header": header, "digest": _digest(header, tensors)}
        files.write(self.path, save(tensors, {"state": json.dumps(signed)}))
        self._next = began + (time.monotonic() - began) / self.share

    def load(
        self, learner: Learner, optimizer: torch.optim.Optimizer, schedule: str
    ) -> State | None:
        """Put the file's state into `learner` and `optimizer`; return the rest of it.

        Returns:
            None, with nothing changed, if there is no file, or (with the warning
            CheckpointIgnored) if it is broken or of another training.
        """
        if not self.path.exists():
            return None
        try:
            header, tensors, digest = _read(self.path)
            if (header["identity"], header["schedule"]) != (self.identity, schedule):
                raise NotThisTraining("it is of another training")
            _restore(learner, optimizer, tensors)
        except (SafetensorError, ValueError, LookupError, TypeError, OSError) as error:
            warnings.warn(CheckpointIgnored(self.path, error), stacklevel=2)
            return None
        best = _part(tensors, "best.")
        curve = [(step, score) for step, score in header["curve"]]
        losses = tensors["losses"].tolist()
        return State(
            header["step"], losses, curve, header["best_step"], header["best_score"], best, digest
        )

    def remove(self) -> None:
        """Delete the file, if there is one: the training has ended and is recorded."""
        files.remove(self.path)


def _restore(
    learner: Learner, optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]
) -> None:
    saved, current = _part(tensors, "prompt."), learner.state_dict()
    if {n: (t.shape, t.dtype) for n, t in saved.items()} != {
        n: (t.shape, t.dtype) for n, t in current.items()
    }:
        raise NotThisTraining("its weights have other names, shapes or dtypes")
    learner.load_state_dict(saved)
    parts = {part: _part(tensors, f"{part}.") for part in MOMENTS}
    for name, parameter in learner.named_parameters():
        if name in parts["step"]:
            # AdamW keeps its step count on the CPU, and the moments beside the parameter.
            optimizer.state[parameter] = {
                part: parts[part][name].to("cpu" if part == "step" else parameter.device)
                for part in MOMENTS
            }


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    # Clones: tensors of a mapped file need not be aligned as torch's own are, and unaligned sums
    # may round otherwise.
    return {n.removeprefix(prefix): t.clone() for n, t in tensors.items() if n.startswith(prefix)}


def _read(path: Path) -> tuple[Header, dict[str, Tensor], str]:
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    if "state" not in metadata:
        raise NotThisTraining("it is not a checkpoint of a training")
    signed = json.loads(metadata["state"])
    header: Header = signed["header"]
    if header["format"] != FORMAT or signed["digest"] != _digest(header, tensors):
        raise NotThisTraining("its content was changed, or is of another version")
    return header, tensors, signed["digest"]


def _digest(header: Header, tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name, value in sorted(tensors.items()):
        digest.update(f"{name} {value.dtype} {list(value.shape)}".encode())
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()
