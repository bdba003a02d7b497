"""From a spec and what it names to a request: the identity of a run, and what it reads."""

from collections.abc import Mapping, Sequence

from mpt.backbone import Backbone
from pipelines.inputs import backbone_info
from pipelines.records import DatasetInfo, ReadRole, Request, Split, Stage
from pipelines.services import Services
from pipelines.spec import StageSpec


def ask(
    stage: Stage,
    spec: StageSpec,
    task: str,
    backbone: Backbone | None,
    svc: Services,
    *,
    datasets: Mapping[Split, Sequence[DatasetInfo]],
    limits: Sequence[str],
    reads: Mapping[ReadRole, Sequence[str]] | None = None,
) -> Request:
    """Return the request for `spec`; its `sha` covers the content of all that it names.

    Args:
        stage: who is asked.
        spec: the recipe.
        task: what the run is filed under.
        backbone: the frozen model; None where nothing is computed with one.
        svc: where it runs.
        datasets: the examples that are read, by role.
        limits: of each task, see `TaskInput.limits`.
        reads: digests of the prompts that are read, by role.
    """
    reads = reads or {}
    content: dict[str, Sequence[str]] = {
        split: [one.sha for one in infos] for split, infos in datasets.items()
    }
    content |= {role: list(shas) for role, shas in reads.items()}
    content["backbone"] = [backbone.digest] if backbone else []
    content["limits"] = limits
    return Request(
        stage=stage,
        sha=spec.fingerprint(content),
        spec=spec.model_dump(mode="json"),
        seed=spec.seed,
        task=task,
        environment=svc.environment,
        backbone=backbone_info(backbone, spec.backbone) if backbone else None,
        datasets=datasets,
        reads=reads,
    )
