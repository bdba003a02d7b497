"""All that can be refused before anything is trained."""

from collections.abc import Sequence

from mpt.decoder_only import NoEncoder
from mpt.signals import check_layer
from pipelines.adapt import STARTS
from pipelines.asking import rows_once
from pipelines.few_shot import check_context
from pipelines.inputs import TaskInput
from pipelines.mixture import datasets_of
from pipelines.plan import FewShotPlan, TransferSpec
from pipelines.services import Services


class SameName(ValueError):
    """Two files define tasks of the same name, which results could not tell apart."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"two of the tasks are called {name!r}: rename one in its file, or leave it out"
        )


class NoSuchStart(ValueError):
    """Targets are to start from a task that is none of the sources."""

    def __init__(self, start: str, sources: Sequence[str]) -> None:
        super().__init__(
            f"adapt.start is {start!r}: give average, identity or one of {', '.join(sources)}"
        )


def names_once(given: Sequence[TaskInput]) -> None:
    """Refuse two tasks of one name.

    Raises:
        SameName: there are.
    """
    names = [one.task.name for one in given]
    for name in names:
        if names.count(name) > 1:
            raise SameName(name)


def check(spec: TransferSpec, svc: Services) -> None:
    """Open every task and the backbone that `spec` names, and see that they fit.

    Raises:
        LookupError: a task, the backbone, or a layer of it is unknown.
        ValueError: rows are missing or wrong, two tasks have one name, two sources the same rows,
            prompt and input are too long, or a backbone is of the wrong kind.
    """
    given = {name: svc.task(name) for name in (*spec.sources, *spec.targets)}
    names_once(list(given.values()))
    for one in given.values():
        one.check_split("train")
    rows_once(datasets_of(spec.learn, [given[name] for name in spec.sources]))
    sources = [given[name].task.name for name in spec.sources]
    if spec.adapt.start not in {*STARTS, *sources}:
        raise NoSuchStart(spec.adapt.start, sources)
    backbone = svc.backbone(spec.backbone, spec.precision)
    distil = spec.learn.distillation
    if distil.encoder_layers and backbone.architecture == "decoder-only":
        raise NoEncoder
    for layer in (*distil.encoder_layers, *distil.decoder_layers):
        check_layer(layer, backbone.num_layers)
    for names, training in (
        (spec.sources, spec.teach),
        (spec.sources, spec.learn),
        (spec.targets, spec.adapt),
    ):
        for name in names:
            given[name].check_length(
                backbone, spec.backbone, spec.prompt_length, training.max_length
            )
    if spec.few_shot:
        check_few_shot(spec.few_shot, None, svc)


def check_few_shot(plan: FewShotPlan, front: str | None, svc: Services) -> None:
    """See that every draw of every task makes a context that the backbone can read.

    Args:
        plan: the jobs.
        front: digest of the prompt that is to stand before the contexts too, or none.
        svc: where tasks and backbones are opened.

    Raises:
        LookupError: a task, the backbone or the front is unknown.
        ValueError: see `pipelines.few_shot.few_shot`.
    """
    backbone = svc.backbone(plan.backbone, plan.precision)
    before = svc.lineage.get_prompt(front) if front else None
    names_once([svc.task(task) for task in plan.tasks])
    for task in plan.tasks:
        given = svc.task(task)
        for number in range(plan.draws):
            check_context(plan.context_spec(task, number, 0), given, before, backbone)
        limit = plan.tuning.max_length
        given.check_length(backbone, plan.backbone, plan.prompt_length, limit)
