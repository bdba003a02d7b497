"""Trainings that share a backbone: each a job of its own, or side by side where that is faster."""

from collections.abc import Sequence

from flows.devices import devices, has_gpus
from flows.job_settings import JobSettings
from flows.jobs import later
from flows.line import FULL
from flows.planned import Planned
from flows.steps import adapt_step, fan_out_step, teach_step, trained_step
from pipelines.spec import AdaptSpec, TeachSpec

Specs = Sequence[TeachSpec | AdaptSpec]


def trained(specs: Specs, source: Planned | str | None, rank: int = FULL) -> list[Planned]:
    """Plan the training of each of `specs`; return them in that order.

    Where they are more than the GPUs of this machine, those of one backbone go side by side, a
    group to each GPU. On a CPU each is a job: side by side they would not be faster, and the last
    bits of one would depend on the others.

    Args:
        specs: the recipes.
        source: the digest of the prompt that targets are adapted from.
        rank: of the jobs.
    """
    backbones = {(spec.backbone, spec.precision) for spec in specs}
    is_local = JobSettings.read().engine == "local"
    if is_local and has_gpus() and len(specs) > len(devices()) and len(backbones) == 1:
        return _side_by_side(specs, source, rank)
    return [
        later(teach_step, spec, rank=rank)
        if isinstance(spec, TeachSpec)
        else later(adapt_step, spec, source, rank=rank)
        for spec in specs
    ]


def _side_by_side(specs: Specs, source: Planned | str | None, rank: int) -> list[Planned]:
    groups = len(devices())
    found = [later(fan_out_step, specs[at::groups], source, rank=rank) for at in range(groups)]
    return [
        later(trained_step, spec, found[at % groups], at // groups, rank=rank)
        for at, spec in enumerate(specs)
    ]
