"""The backbones and rows that this process has opened: once each, whoever asks."""

from functools import cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpt.backbone import Backbone
    from pipelines.inputs import TaskInput

_loading = Lock()  # two threads that want the same backbone load it once


def backbone(name: str, precision: str, device: str) -> "Backbone":
    """Return a frozen model; see `mpt.loading.load`."""
    with _loading:
        return _load_backbone(name, precision, device)


def task(name: str, folder: Path | None, tokens: Path) -> "TaskInput":
    """Return a task and its rows, read anew where they have changed; see `TaskInput.open`."""
    import tasks

    found = tasks.find(name)
    with _loading:
        return _load_task(name, folder, tokens, (found.definition, *tasks.stamp(found, folder)))


@cache
def device(wanted: str) -> str:
    """Return where backbones go: "auto" is the first GPU, if there is one."""
    import torch

    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return wanted


@cache
def _load_backbone(name: str, precision: str, device: str) -> "Backbone":
    import torch

    from mpt.loading import load

    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    return load(name, device, dtype)


@cache
def _load_task(
    name: str, folder: Path | None, tokens: Path, _state: tuple[object, ...]
) -> "TaskInput":
    from pipelines.inputs import TaskInput

    return TaskInput.open(name, folder, tokens)
