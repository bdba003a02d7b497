"""What a command asks of a flow: checked before anything starts, and the same wherever it runs."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from pydantic import TypeAdapter

from flows.isolation import open_for_checks
from flows.queries import source_for, source_prompt
from pipelines.check import check, check_few_shot
from pipelines.group_spec import GroupSpec, MemberSpec
from pipelines.inputs import TaskInput
from pipelines.job import STAGES
from pipelines.plan import FewShotPlan, TransferSpec
from pipelines.records import Split
from pipelines.services import Services
from pipelines.spec import AdaptSpec, StageSpec


@dataclass(frozen=True)
class Order:
    """One call of one flow.

    Args:
        flow: its name in `flows.catalogue`.
        parameters: what it is called with.
        steps: training steps in all, for who watches.
        content: digests of all that the parameters name: backbones, rows and tasks.
    """

    flow: str
    parameters: dict[str, Any]
    steps: int
    content: tuple[str, ...]

    @property
    def json(self) -> dict[str, Any]:
        """The parameters, as a server keeps them."""
        values: dict[str, Any] = TypeAdapter(dict[str, Any]).dump_python(
            self.parameters, mode="json"
        )
        return values

    @property
    def key(self) -> str:
        """What is equal for the same order, and for no other: 64 hex digits."""
        stages: list[type[StageSpec]] = [*STAGES, MemberSpec]
        versions = {stage.__name__: stage.version for stage in stages}
        asked = [self.flow, self.json, self.content, versions]
        return sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def order_transfer(spec: TransferSpec) -> Order:
    """Order a whole transfer.

    Raises:
        LookupError, ValueError: it cannot run as it is.
    """
    with open_for_checks() as svc:
        check(spec, svc)
        content = _content([*spec.sources, *spec.targets], [spec.backbone], spec.precision, svc)
        if few := spec.few_shot:
            content += _content(few.tasks, [few.backbone], few.precision, svc)
    from flows.steps import EVALUATION  # Prefect, which takes a second to import

    trial = 2 * (spec.adapt.steps + EVALUATION)
    targets = len(spec.targets) * (len(spec.seeds) * trial + 2 * EVALUATION)
    few_shot = few_shot_steps(spec.few_shot, 1) if spec.few_shot else 0
    return Order("transfer", {"spec": spec}, _source_steps(spec) + targets + few_shot, content)


def order_learn(spec: TransferSpec) -> Order:
    """Order teachers and source prompts.

    Raises:
        LookupError, ValueError: they cannot be trained as they are.
    """
    with open_for_checks() as svc:
        check(spec, svc)
        content = _content(spec.sources, [spec.backbone], spec.precision, svc)
    return Order("learn-source", {"spec": spec}, _source_steps(spec), content)


def order_adapt(specs: Sequence[AdaptSpec], named: str) -> Order:
    """Order the adaptation of the source prompt that a person named to each task.

    Raises:
        LookupError: a task or the prompt is unknown.
        ValueError: rows are missing or wrong, or the prompt does not fit.
    """
    with open_for_checks() as svc:
        source = source_for(specs, named, svc)
        backbones = [spec.backbone for spec in specs]
        content = _content([spec.task for spec in specs], backbones, specs[0].precision, svc)
    from flows.steps import EVALUATION

    steps = sum(spec.steps + EVALUATION for spec in specs)
    return Order("adapt-target", {"targets": list(specs), "source": source}, steps, content)


def order_adapt_group(spec: GroupSpec, named: str) -> Order:
    """Order the adaptation of the source prompt that a person named to several tasks together.

    Raises:
        LookupError: a task or the prompt is unknown.
        ValueError: rows are missing or wrong, or the prompt does not fit.
    """
    with open_for_checks() as svc:
        source = source_for([spec], named, svc)
        content = _content(spec.tasks, [spec.backbone], spec.precision, svc)
    from flows.steps import EVALUATION

    steps = spec.steps + len(spec.tasks) * EVALUATION
    return Order("adapt-group", {"spec": spec, "source": source}, steps, content)


def order_few_shot(plan: FewShotPlan, named: str | None) -> Order:
    """Order few-shot jobs: each task of `plan`, from a few examples, in every way.

    Args:
        plan: the jobs.
        named: a source prompt to stand before the contexts too, as a person names it, or none.

    Raises:
        LookupError: a task, the backbone or the prompt is unknown.
        ValueError: the examples, labels or lengths do not suit the backbone.
    """
    with open_for_checks() as svc:
        front = None
        if named:
            backbone = svc.backbone(plan.backbone, plan.precision)
            front = source_prompt(named, backbone.digest, svc.lineage)
        check_few_shot(plan, front, svc)
        content = _content(plan.tasks, [plan.backbone], plan.precision, svc)
    steps = few_shot_steps(plan, 2 if front else 1)
    return Order("few-shot", {"plan": plan, "front": front}, steps, content)


def few_shot_steps(plan: FewShotPlan, moved: int) -> int:
    """Return the training steps of `plan`, in which `moved` kinds of context are trained."""
    from flows.steps import EVALUATION

    tests = (moved + 2) * EVALUATION  # and those of in-context learning and of prompt tuning
    trial = plan.tuning.steps + moved * plan.context.steps + tests
    return len(plan.tasks) * (plan.draws * trial + 2 * EVALUATION)


def _source_steps(spec: TransferSpec) -> int:
    return len(spec.seeds) * (len(spec.sources) * spec.teach.steps + spec.learn.steps)


def _content(
    tasks: Sequence[str], backbones: Iterable[str], precision: str, svc: Services
) -> tuple[str, ...]:
    """Return the digests of tasks, their rows, and backbones, in this order."""
    given = [svc.task(name) for name in tasks]
    digests = [
        *(one.task.identity for one in given if one.task.identity),
        *(one.info(split).sha for one in given for split in _splits(one)),
    ]
    return *digests, *(svc.backbone(name, precision).digest for name in backbones)


def _splits(given: TaskInput) -> tuple[Split, ...]:
    return ("test",) if given.task.trained_on else ("train", "validation", "test")
