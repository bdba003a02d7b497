"""Trainings that share a backbone: each a job of its own, or side by side where that is faster."""

from collections.abc import Sequence

from flows.jobs import Future, later
from flows.settings import on_accelerator
from flows.steps import adapt_step, fan_out_step, teach_step, trained_step
from pipelines.spec import AdaptSpec, TeachSpec


def trained(specs: Sequence[TeachSpec | AdaptSpec], source: Future | None) -> list[Future]:
    """Submit the training of each of `specs`; return their run ids.

    On a CPU each is a job: side by side they would not be faster, and the last bits of one would
    depend on the others.

    Args:
        specs: the recipes.
        source: the digest of the prompt that targets are adapted from.
    """
    backbones = {(spec.backbone, spec.precision) for spec in specs}
    if on_accelerator() and len(specs) > 1 and len(backbones) == 1:
        found = later(fan_out_step, list(specs), source)
        return [later(trained_step, spec, found, at) for at, spec in enumerate(specs)]
    return [
        later(teach_step, spec) if isinstance(spec, TeachSpec) else later(adapt_step, spec, source)
        for spec in specs
    ]
