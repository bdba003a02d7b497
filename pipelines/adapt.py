"""Target adaptation: a source prompt is tuned further for one task, with a task vector of its own.

Wang et al. 2023, section 3: P̂ = P* ∘ (u ⊗ v), task loss only.
"""

from mpt.backbone import Backbone
from mpt.prompt import MultitaskPrompt, TargetStart
from pipelines.group_spec import GroupSpec
from pipelines.prompts import check_backbone, multitask_prompt
from pipelines.records import PromptRecord
from pipelines.services import Services
from pipelines.spec import AdaptSpec
from pipelines.training import generator
from pipelines.tuning import Training, run_alone, tuning

STARTS = ("average", "identity")
"""Of a task vector; the third way is the name of a source task."""


class NotASource(ValueError):
    """A prompt is to be adapted that is no source prompt: a target's, a teacher, or a context."""

    def __init__(self, prompt: PromptRecord) -> None:
        super().__init__(
            f"prompt {prompt.sha[:12]} is a {prompt.kind} prompt for {prompt.task!r}: adapt from a "
            "source prompt, which `prompt-transfer learn SPEC` makes"
        )


class UnknownStart(ValueError):
    """A task vector is to start from a task that the source prompt was not trained on."""

    def __init__(self, start: str, prompt: PromptRecord) -> None:
        super().__init__(
            f"a target cannot start from {start!r}: prompt {prompt.sha[:12]} knows the tasks "
            f"{', '.join(prompt.tasks)}; give one of them, average or identity"
        )


def adapt(spec: AdaptSpec, source: str, svc: Services) -> str:
    """Adapt the source prompt with the digest `source` to `spec.task`; return the run's id.

    If a run has already done the same, its id is returned and nothing is trained.

    Raises:
        UnknownId: lineage does not know the prompt.
        WrongBackbone: it was trained for another backbone.
        NotASource: it is no source prompt.
        UnknownStart: `spec.start` names a task that it does not know.
        TooLong: prompt and input are over what the backbone declares.
        Busy: another process is at the same run.
    """
    return run_alone(adapting(spec, source, svc), spec, svc)


def adapting(spec: AdaptSpec, source: str, svc: Services) -> Training:
    """Return the training of `adapt`, to be run beside others."""
    parent = svc.lineage.get_prompt(source)
    check_parent(parent, spec, svc.backbone(spec.backbone, spec.precision))
    return tuning(spec, parent, lambda backbone: first_value(spec, parent, 1, svc), svc)


def check_parent(parent: PromptRecord, spec: AdaptSpec | GroupSpec, backbone: Backbone) -> None:
    """Refuse a prompt that cannot be adapted by `spec`; see `adapt`."""
    check_backbone(parent, spec.backbone, backbone)
    # A target's has a shared part too, but one that has seen the target's answers.
    if parent.kind != "source":
        raise NotASource(parent)
    if spec.start not in {*STARTS, *parent.tasks}:
        raise UnknownStart(spec.start, parent)


def first_value(
    spec: AdaptSpec | GroupSpec, parent: PromptRecord, num_tasks: int, svc: Services
) -> MultitaskPrompt:
    """Return what training begins with: the shared prompt, and a start for each target's vector."""
    shared = multitask_prompt(parent.sha, svc)
    start: TargetStart = "average"
    if spec.start == "identity":
        start = "identity"
    elif spec.start != "average":
        start = parent.tasks.index(spec.start)
    return shared.for_targets(num_tasks, start, spec.freeze_shared, generator(spec.seed))
