"""All that can be refused before anything is trained."""

from pipelines.services import Services
from pipelines.spec import TransferSpec


def check(spec: TransferSpec, svc: Services) -> None:
    """Open every task and the backbone that `spec` names, and see that they fit.

    Raises:
        LookupError: a task or the backbone is unknown.
        ValueError: rows are missing or wrong, or prompt and input are too long.
    """
    given = {name: svc.task(name) for name in (*spec.sources, *spec.targets)}
    backbone = svc.backbone(spec.backbone, spec.precision)
    for names, training in (
        (spec.sources, spec.teach),
        (spec.sources, spec.learn),
        (spec.targets, spec.adapt),
    ):
        for name in names:
            given[name].check_length(
                backbone, spec.backbone, spec.prompt_length, training.max_length
            )
