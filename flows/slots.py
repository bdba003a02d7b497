"""The GPUs and cores of this machine, in shares that jobs hold by locks of the kernel.

A share is a file, and who holds it holds a flock on it: however a process ends, its shares
are free. The locks go to the job's process as file descriptors, so that a GPU stays taken for as
long as anything runs on it, also when what started the job is gone.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, NamedTuple, Self

SHARES = 16  # of a GPU's memory; so many jobs can run on one at most


class NotYours(PermissionError):
    """The folder of locks belongs to somebody else."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"the folder of locks {folder} belongs to another user: set PROMPT_TRANSFER_SLOTS to "
            "one of your own"
        )


@dataclass(frozen=True)
class Device:
    """A GPU, or all cores of a CPU."""

    name: str
    """Of its locks: the same in every process of this machine."""
    shares: int
    bytes: int = 0
    """Memory of a GPU; 0 is a CPU."""
    visible: str = ""
    """What CUDA_VISIBLE_DEVICES calls it."""


class Need(NamedTuple):
    """What a job asks for, on a GPU or on a CPU."""

    bytes: int
    cores: int

    def shares(self, device: Device) -> int:
        """Return how many shares of `device` that is: 1 or more, and all where it lacks some."""
        wanted = -(-self.bytes * device.shares // device.bytes) if device.bytes else self.cores
        return min(device.shares, max(1, wanted))


@dataclass(frozen=True)
class Slot:
    """Some shares of a device, held until `close`, and by whoever inherits them."""

    device: Device
    files: tuple[IO[str], ...]

    @property
    def fraction(self) -> float:
        """How much of the device it is."""
        return len(self.files) / self.device.shares

    @property
    def descriptors(self) -> tuple[int, ...]:
        """For `subprocess.Popen(pass_fds=...)`."""
        return tuple(one.fileno() for one in self.files)

    def close(self) -> None:
        """Let go, in this process."""
        for one in self.files:
            one.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(frozen=True)
class Share:
    """One share of a device, as `listing` tells of it."""

    device: str
    number: int
    free: bool
    job: str = ""
    """Who holds it."""
    pid: int = 0
    """Of the process that took it for the job."""
    since: str = ""


def claim(folder: Path, devices: Sequence[Device], need: Need, job: str) -> Slot | None:
    """Take the shares that a job needs, all of one device; the emptiest goes first.

    Returns:
        None, with nothing held, where no device has so many free now.

    Raises:
        NotYours: the folder belongs to another user.
    """
    with _alone(folder), ExitStack() as unused:
        free = {device: _free(folder, device, unused) for device in devices}
        fitting = [device for device in devices if need.shares(device) <= len(free[device])]
        if not fitting:
            return None
        best = max(fitting, key=lambda device: len(free[device]) / device.shares)
        files = [os.fdopen(os.dup(one.fileno()), "a+") for one in free[best][: need.shares(best)]]
        slot = Slot(best, tuple(files))
        for one in files:
            _sign(one, job)
        return slot


def listing(folder: Path, devices: Sequence[Device]) -> list[Share]:
    """Return every share of `devices`, and which job holds it."""
    with _alone(folder), ExitStack() as unused:
        free = {
            (device.name, Path(one.name).name)
            for device in devices
            for one in _free(folder, device, unused)
        }
        return [
            _told(folder, device, number, (device.name, _name(device, number)) in free)
            for device in devices
            for number in range(device.shares)
        ]


def _told(folder: Path, device: Device, number: int, free: bool) -> Share:
    if free:
        return Share(device.name, number, free)
    try:
        signed = json.loads((folder / _name(device, number)).read_text())
    except ValueError:
        signed = {}  # it is being written
    return Share(device.name, number, free, **signed)


def _free(folder: Path, device: Device, unused: ExitStack) -> list[IO[str]]:
    """Lock the free shares of a device; `unused` lets go of them."""
    found: list[IO[str]] = []
    for number in range(device.shares):
        file = open(folder / _name(device, number), "a+")  # noqa: SIM115, `unused` closes it
        unused.enter_context(file)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        found.append(file)
    return found


def _name(device: Device, number: int) -> str:
    return f"{device.name}.{number}.lock"


def _sign(file: IO[str], job: str) -> None:
    """Say who holds it; that it is written also keeps the file from those that tidy /tmp."""
    since = datetime.now(UTC).isoformat(timespec="seconds")
    file.truncate(0)
    json.dump({"job": job, "pid": os.getpid(), "since": since}, file)
    file.flush()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Be the only one who looks at the shares, for the moment that it takes."""
    lock_folder(folder)
    with open(folder / "placing.lock", "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def lock_folder(folder: Path) -> None:
    """Make the folder of locks, or see that it is ours.

    Raises:
        NotYours: it belongs to another user.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if folder.stat().st_uid != os.getuid():
        raise NotYours(folder)
