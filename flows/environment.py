"""What lineage keeps of the process that computes."""

import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path

import torch

from pipelines.records import Environment


@cache
def environment(device: str) -> Environment:
    """Return device, threads, versions and commit of this process."""
    named = torch.cuda.get_device_name(device) if device.startswith("cuda") else device
    versions = {name: version(name) for name in ("prompt-transfer", "torch", "transformers")}
    return Environment(
        device=named, threads=torch.get_num_threads(), versions=versions, git_commit=_git_commit()
    )


def _git_commit() -> str | None:
    """Return the commit of this code, where it runs from a checkout."""
    try:
        asked = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=Path(__file__).parent, capture_output=True, text=True, check=True, timeout=5,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return asked.stdout.strip()
