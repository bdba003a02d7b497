"""Tokenised examples on disk, as they are in memory: flat ids that the system maps on demand."""

import json
import os
import tempfile
from dataclasses import fields
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from mpt.encoding import Encoded


def save(encoded: Encoded, path: Path) -> None:
    """Write `encoded` to `path`, all or nothing; the folder is made if it is not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = {one.name: getattr(encoded, one.name) for one in fields(encoded)}
    tensors = {name: value for name, value in values.items() if isinstance(value, Tensor)}
    rest = {name: value for name, value in values.items() if name not in tensors}
    handle, new = tempfile.mkstemp(dir=path.parent, suffix=".new")
    os.close(handle)
    save_file(tensors, new, {"rest": json.dumps(rest)})
    Path(new).replace(path)


def load(path: Path) -> Encoded | None:
    """Return what `save` wrote, mapped into memory; None if it is not there, or broken."""
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return Encoded(**tensors, **json.loads(file.metadata()["rest"]))
    except (OSError, SafetensorError, TypeError, LookupError):
        return None
