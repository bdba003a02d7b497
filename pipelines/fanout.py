"""Several tasks at once on one backbone: one training each, in lineage as if it had run alone."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch

from mpt.memory import free_bytes, step_bytes
from mpt.together import together
from pipelines.adapt import adapting
from pipelines.services import Services
from pipelines.spec import AdaptSpec, TeachSpec
from pipelines.teach import teaching
from pipelines.tuning import Training

Specs = Sequence[TeachSpec | AdaptSpec]


def fan_out(specs: Specs, source: str | None, svc: Services) -> list[str | Exception]:
    """Train all of `specs` side by side; return the id of each run, or what it failed of.

    As many go together as are expected to fit in memory, the rest after them.

    Args:
        specs: the recipes; all for one backbone.
        source: digest of the prompt that targets are adapted from.
        svc: the outside world.

    Raises:
        UnknownTask, UnknownId: a task or the source is unknown.
        ValueError: rows are missing or wrong; see `tasks.data.load`.
    """
    groups = list(_that_fit(specs, source, svc))
    return [one for some in groups for one in _run(some, source, svc)]


def _run(specs: Specs, source: str | None, svc: Services) -> list[str | Exception]:
    backbone = svc.backbone(specs[0].backbone, specs[0].precision)
    try:
        beside = replace(svc, side_by_side=len(specs))
        return together(backbone, [_training(spec, source, beside) for spec in specs])
    except torch.OutOfMemoryError as error:
        # The estimate was too low. Both halves go on from their checkpoints.
        half = len(specs) // 2
        if not half:
            return [error]
        return _run(specs[:half], source, svc) + _run(specs[half:], source, svc)
    except Exception as error:  # noqa: BLE001, each of them failed of it
        return [error] * len(specs)


def _training(spec: TeachSpec | AdaptSpec, source: str | None, svc: Services) -> Training:
    # Itself a generator, so that a recipe that does not suit is told as its own job's failure.
    if isinstance(spec, TeachSpec):
        return (yield from teaching(spec, svc))
    assert source is not None, "a target is adapted from a prompt"
    return (yield from adapting(spec, source, svc))


def _that_fit(specs: Specs, source: str | None, svc: Services) -> Iterator[Specs]:
    """Yield `specs` in groups: one batch of a whole group is padded to its longest row."""
    backbone = svc.backbone(specs[0].backbone, specs[0].precision)
    free = free_bytes(backbone.device)
    before = svc.lineage.get_prompt(source).num_tokens if source else 0
    group: list[TeachSpec | AdaptSpec] = []
    for spec in specs:
        more = [*group, spec]
        tasks = [svc.task(one.task) for one in more]
        rows = sum(one.batch_size for one in more)
        length = max(
            task.max_input(one.max_length) + getattr(one, "prompt_length", before)
            for task, one in zip(tasks, more, strict=True)
        )
        answer = max(task.task.max_answer for task in tasks)
        if group and step_bytes(backbone.size, rows, length, answer) > free:
            yield group
            more = [spec]
        group = more
    yield group
