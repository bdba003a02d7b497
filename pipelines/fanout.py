"""Several tasks at once on one backbone: one training each, in lineage as if it had run alone."""

from collections.abc import Iterator, Sequence

from mpt.memory import free_bytes, step_bytes
from mpt.together import together
from pipelines.adapt import adapting
from pipelines.services import Services
from pipelines.spec import AdaptSpec, TeachSpec
from pipelines.teach import teaching
from pipelines.tuning import Training


def fan_out(
    specs: Sequence[TeachSpec | AdaptSpec], source: str | None, svc: Services
) -> list[str | Exception]:
    """Train all of `specs` side by side; return the id of each run, or what it failed of.

    As many go together as are expected to fit in memory, the rest after them.

    Args:
        specs: the recipes; all for one backbone.
        source: digest of the prompt that targets are adapted from.
        svc: the outside world.
    """
    found: list[str | Exception] = []
    backbone = svc.backbone(specs[0].backbone, specs[0].precision)
    for some in _that_fit(specs, source, svc):
        found += together(backbone, [_training(spec, source, svc) for spec in some])
    return found


def _training(spec: TeachSpec | AdaptSpec, source: str | None, svc: Services) -> Training:
    # Itself a generator, so that what is wrong with one job is told as that job's.
    if isinstance(spec, TeachSpec):
        return (yield from teaching(spec, svc))
    assert source is not None, "a target is adapted from a prompt"
    return (yield from adapting(spec, source, svc))


def _that_fit(
    specs: Sequence[TeachSpec | AdaptSpec], source: str | None, svc: Services
) -> Iterator[list[TeachSpec | AdaptSpec]]:
    backbone = svc.backbone(specs[0].backbone, specs[0].precision)
    free = free_bytes(backbone.device)
    group: list[TeachSpec | AdaptSpec] = []
    taken = 0
    for spec in specs:
        task = svc.task(spec.task)
        length = task.max_input(spec.max_length) + _prompt_length(spec, source, svc)
        needed = step_bytes(backbone, spec.batch_size, length, task.task.max_answer)
        if group and taken + needed > free:
            yield group
            group, taken = [], 0
        group.append(spec)
        taken += needed
    yield group


def _prompt_length(spec: TeachSpec | AdaptSpec, source: str | None, svc: Services) -> int:
    if isinstance(spec, TeachSpec):
        return spec.prompt_length
    return svc.lineage.get_prompt(str(source)).num_tokens
