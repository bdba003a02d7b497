"""All that can be refused before anything is trained."""

from mpt.signals import check_layer
from pipelines.services import Services
from pipelines.spec import TransferSpec


def check(spec: TransferSpec, svc: Services) -> None:
    """Open every task and the backbone that `spec` names, and see that they fit.

    Raises:
        LookupError: a task, the backbone, or a layer of it is unknown.
        ValueError: rows are missing or wrong, or prompt and input are too long.
    """
    given = {name: svc.task(name) for name in (*spec.sources, *spec.targets)}
    backbone = svc.backbone(spec.backbone, spec.precision)
    distil = spec.learn.distillation
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
