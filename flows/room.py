"""How much room a job is given, where there are GPUs."""

from functools import cache

from flows.devices import has_gpus
from mpt.memory import Size
from pipelines.job import Job
from pipelines.room import needed_bytes


def room(job: Job) -> int:
    """Return how many bytes of a GPU `job` is expected to need; 0 where there is none."""
    return needed_bytes(job, _measured) if has_gpus() else 0


@cache
def _measured(name: str, precision: str) -> Size:
    import torch

    from mpt.loading import measure

    return measure(name, getattr(torch, precision))
