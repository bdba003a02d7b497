"""Which GPUs and cores this process may give to jobs."""

import os
from functools import cache

from flows.job_settings import GIB, JobSettings
from flows.settings import Settings
from flows.slots import SHARES, Device, Need, Share, listing


def devices() -> tuple[Device, ...]:
    """Return the GPUs of this machine that this process may use, or else its cores."""
    pretended = JobSettings.read().gpus
    if pretended:
        return tuple(
            Device(f"fake{at}", SHARES, int(size * GIB), str(at))
            for at, size in enumerate(pretended)
        )
    wanted = Settings.read().device
    gpus = () if wanted == "cpu" else _gpus(os.environ.get("CUDA_VISIBLE_DEVICES"))
    if wanted.startswith("cuda:"):
        gpus = gpus[int(wanted.removeprefix("cuda:")) :][:1]
    return gpus or (Device("cpu", os.cpu_count() or 1),)


@cache
def _gpus(visible: str | None) -> tuple[Device, ...]:
    import torch

    if not torch.cuda.is_available():
        return ()
    names = visible.split(",") if visible else []
    return tuple(_gpu(at, names) for at in range(torch.cuda.device_count()))


def _gpu(at: int, names: list[str]) -> Device:
    import torch

    properties = torch.cuda.get_device_properties(at)  # makes no context on the GPU
    visible = names[at] if names else str(at)
    # Two processes may number the GPUs otherwise; parts of one (MIG) have an identity in its place.
    name = visible if visible.startswith("MIG") else str(properties.uuid)
    return Device(f"gpu-{name.replace('/', '-')}", SHARES, properties.total_memory, visible)


def has_gpus() -> bool:
    """Say whether jobs run on GPUs, those that are only pretended included."""
    return any(one.bytes for one in devices())


def own_need(needed: int) -> Need:
    """Return what a job of this process asks for, of so many bytes on a GPU."""
    cores = os.environ.get("OMP_NUM_THREADS", "")
    return Need(needed, int(cores) if cores.isdecimal() else os.cpu_count() or 1)


def slots() -> list[Share]:
    """Return every share of every GPU, or of the cores, and which job holds it."""
    return listing(JobSettings.read().slots, devices())
