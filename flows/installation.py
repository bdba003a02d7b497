"""Whether what is installed, and where it works, is fit for it."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from flows.settings import Settings
from flows.versions import broken_pairs
from pipelines.doctor.finding import Finding

PART = "installation"
ENOUGH = 10**9  # bytes free
FOLDERS = ("", "store", "checkpoints", "locks", "cache", "mlflow")
GPU = Path("/dev/nvidiactl")  # there is one where NVIDIA's driver is loaded


def findings(settings: Settings) -> Iterator[Finding]:
    """Yield what is wrong with this installation and its home."""
    for one in broken_pairs():
        yield Finding(PART, one, "install with `-c constraints.txt`")
    yield from _torch(settings)
    yield from _home(settings.home)
    if os.environ.get("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false").lower() != "false":
        what = (
            "MLFLOW_ALLOW_PICKLE_DESERIALIZATION lets MLflow load pickles, which may run any code"
        )
        yield Finding(PART, what, "unset it: here it is false then")


def _torch(settings: Settings) -> Iterator[Finding]:
    import torch

    if torch.cuda.is_available():
        return
    cuda = f"for CUDA {torch.version.cuda}" if torch.version.cuda else "without CUDA"
    built = f"torch {torch.__version__}, built {cuda}"
    if settings.device.startswith("cuda"):
        what = f"PROMPT_TRANSFER_DEVICE is {settings.device!r}, and {built}, sees no GPU"
        yield Finding(PART, what, "install a build of torch for your driver, or give cpu")
    elif settings.device == "auto" and GPU.exists():
        what = f"there is a GPU, and {built}, does not see it"
        yield Finding(PART, what, "install a build of torch for your driver")


def _home(home: Path) -> Iterator[Finding]:
    there = next(one for one in (home, *home.resolve().parents) if one.exists())
    for folder in [there, *(home / name for name in FOLDERS)]:
        if folder.exists() and not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            yield Finding(PART, f"{folder} cannot be written to", "give this user the right to it")
    free = shutil.disk_usage(there).free
    if free < ENOUGH:
        what = f"only {free / 1e6:,.0f} MB are free where {home} is"
        yield Finding(
            PART, what, "make room: a checkpoint or a database that is cut off costs work"
        )
