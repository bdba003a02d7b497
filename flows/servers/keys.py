"""The passwords of the servers of a home: made once, in a file that only its owner can read."""

import json
import os
import secrets
import stat
from dataclasses import asdict, dataclass
from pathlib import Path

USER = "admin"


class BadKeys(ValueError):
    """The file of the passwords cannot be trusted, or read."""

    def __init__(self, file: Path, problem: str) -> None:
        super().__init__(f"{file}: {problem}: delete it, and `prompt-transfer up` makes new ones")


@dataclass(frozen=True)
class Keys:
    """Who knows these may run any code as the user who started the servers."""

    prefect: str
    """`admin:` and a password: what Prefect calls its auth string, and asks for in the browser."""
    mlflow: str
    """Password of `admin` at MLflow."""
    cookies: str
    """Signs MLflow's session cookies."""


def keys_at(file: Path) -> tuple[Keys, bool]:
    """Return the passwords in `file`, and whether they are new; make them where there are none.

    Raises:
        BadKeys: others can read the file, or it does not hold what it should.
    """
    try:
        mode = stat.S_IMODE(file.stat().st_mode)
    except FileNotFoundError:
        return _make(file), True
    if mode & 0o077:
        raise BadKeys(file, f"others may have read it (mode {mode:o})")
    try:
        return Keys(**json.loads(file.read_text())), False
    except (ValueError, TypeError) as error:
        raise BadKeys(file, f"it is damaged ({error})") from None


def _make(file: Path) -> Keys:
    first, second, third = (secrets.token_urlsafe(24) for _ in range(3))
    keys = Keys(prefect=f"{USER}:{first}", mlflow=second, cookies=third)
    write_private(file, json.dumps(asdict(keys), indent=2))
    return keys


def write_private(file: Path, text: str) -> None:
    """Write a file that nobody else can read, at any moment; it is there as a whole or not."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = file.with_suffix(".part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
    part.replace(file)
