"""Group adaptation: several targets tune one shared prompt together, each with its own u and v.

Wang et al. 2023, section 3, for a group of targets: P̂_k = P* ∘ (u_k ⊗ v_k), task loss only.
"""

from typing import cast

from torch import Tensor

from mpt.encoding import Batch
from pipelines.adapt import check_parent, first_value
from pipelines.asking import ask
from pipelines.group_spec import GroupSpec, MemberSpec
from pipelines.inputs import TaskInput
from pipelines.mixture import Drawn, Mixture, ask_mixed
from pipelines.prompts import multitask_prompt
from pipelines.recording import ScoreInfo
from pipelines.records import GROUP, DatasetInfo, Method, RunRecord
from pipelines.services import Services
from pipelines.training import Fit, keep


def adapt_group(spec: GroupSpec, source: str, svc: Services) -> list[str]:
    """Adapt the source prompt with the digest `source` to all of `spec.tasks` together.

    What a run has already done is found, and not repeated.

    Returns:
        For each task, the id of the run that made its prompt: one task's part of the group's.

    Raises:
        SameRows: two of the tasks have the same ones.
        UnknownId, WrongBackbone, NotASource, UnknownStart, TooLong, Busy: see `adapt`.
    """
    group = train_group(spec, source, svc)
    return [member(spec, task, group, svc) for task in spec.tasks]


def train_group(spec: GroupSpec, source: str, svc: Services) -> str:
    """Train the prompt that the tasks of `spec` share; return the run's id. See `adapt_group`."""
    backbone = svc.backbone(spec.backbone, spec.precision)
    given = [svc.task(name) for name in spec.tasks]
    parent = svc.lineage.get_prompt(source)
    check_parent(parent, spec, backbone)
    for one in given:
        one.check_length(backbone, spec.backbone, parent.num_tokens, spec.max_length)
    request = ask_mixed("adapt", spec, GROUP, given, svc, reads={"source": [parent.sha]})
    if done := svc.lineage.find(request.sha):
        return done.id
    with svc.lineage.record(request) as run:
        mixture = Mixture.open(spec, given, backbone)
        prompt = first_value(spec, parent, len(given), svc)

        def loss_of(drawn: Drawn, batch: Batch) -> Tensor:
            return backbone(prompt(batch.task_ids), batch).loss  # type: ignore[no-any-return]

        fit = Fit(prompt, backbone, mixture.exams, "target")
        checkpoint = mixture.train(fit, loss_of, spec, request, run=run, svc=svc)
    checkpoint.remove()
    return run.id


def member(spec: GroupSpec, task: str, group: str, svc: Services) -> str:
    """Record the prompt of one task of a group as its own; return the id of the run that did.

    Nothing is trained or scored: it is the same prompt, so the scores are those of the group's run.

    Args:
        spec: the recipe of the group.
        task: one of its tasks.
        group: id of the run that trained it.
        svc: the outside world.
    """
    given, trained = svc.task(task), svc.lineage.get_run(group)
    place, info = spec.tasks.index(task), given.info("validation", spec.validation_rows)
    request = ask(
        "adapt",
        _member_spec(spec, place),
        given.task.name,
        svc.backbone(spec.backbone, spec.precision),
        svc,
        given=[given],
        datasets={"validation": [info]},
        limits=[given.limits(spec.max_length)],
        reads={"source": [str(trained.prompt)]},
    )
    if done := svc.lineage.find(request.sha):
        return done.id
    with svc.lineage.record(request) as run:
        shared = multitask_prompt(str(trained.prompt), svc)
        run.scores += _scores(trained, info, given)
        run.prompt = keep(shared.alone(place), [given.task.name], "target", svc)
    return run.id


def _member_spec(spec: GroupSpec, place: int) -> MemberSpec:
    return MemberSpec(
        backbone=spec.backbone, precision=spec.precision, seed=spec.seed, task=spec.tasks[place],
        place=place, validation_rows=spec.validation_rows, max_length=spec.max_length,
    )  # fmt: skip


def _scores(trained: RunRecord, info: DatasetInfo, given: TaskInput) -> list[ScoreInfo]:
    """Return the scores of a group's run on one task; the task's first metric is the primary."""
    return [
        ScoreInfo(
            dataset=info, metric=one.metric, value=one.value, n=one.n,
            is_primary=one.method == "prompt" and one.metric == next(iter(given.task.metrics)),
            predictions_sha=one.predictions_sha, references_sha=one.references_sha,
            method=cast(Method, one.method), interval=one.interval,
        )
        for one in trained.scores
        if one.dataset_sha == info.sha
    ]  # fmt: skip
