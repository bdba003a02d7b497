"""Tokenised examples on disk, as they are in memory: flat ids that the system maps on demand."""

import json
from dataclasses import fields
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from mpt.encoding import Encoded
from mpt.files import write

FORMAT = 1
"""Raise it, in the names of files, when the same text would make other tokens."""


def save(encoded: Encoded, path: Path) -> None:
    """Write `encoded` to `path`, all or nothing; the folder is made if it is not there."""
    values = {one.name: getattr(encoded, one.name) for one in fields(encoded)}
    tensors = {name: value for name, value in values.items() if isinstance(value, Tensor)}
    rest = {name: value for name, value in values.items() if name not in tensors}
    write(path, safetensors.torch.save(tensors, {"rest": json.dumps(rest)}))


def load(path: Path) -> Encoded | None:
    """Return what `save` wrote, mapped into memory; None if it is not there, or broken."""
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return Encoded(**tensors, **json.loads(file.metadata()["rest"]))
    except (OSError, SafetensorError, TypeError, LookupError, ValueError):
        return None
