"""A prompt that was trained elsewhere: where its lineage begins, with its validation scores."""

from collections.abc import Sequence
from hashlib import sha256
from itertools import chain

from mpt.backbone import Backbone
from mpt.cpt import ContextPrompt
from mpt.peft_format import Adapter, pack
from mpt.prompt import MultitaskPrompt, Prompt
from pipelines.asking import ask
from pipelines.exam import Exam
from pipelines.ids import UnknownId
from pipelines.records import MULTITASK, Kind, PromptRecord
from pipelines.services import Services
from pipelines.spec import ImportSpec
from pipelines.training import Fit, keep


class WrongTasks(ValueError):
    """The tasks that are named are not as many different ones as the adapter has."""

    def __init__(self, tasks: Sequence[str], parts: int) -> None:
        super().__init__(
            f"the adapter has {parts} task(s), and {len(set(tasks))} are named "
            f"({', '.join(tasks)}): give --task once for each, in the order of PEFT's task_ids"
        )


class OtherTasks(ValueError):
    """Lineage knows the same prompt as one for other tasks."""

    def __init__(self, known: PromptRecord) -> None:
        tasks = ", ".join(known.tasks or [known.task])
        super().__init__(
            f"prompt {known.sha[:12]} is known here for {tasks}, in this order: give the "
            "same --task, or import it with another --home"
        )


class NoFit(ValueError):
    """An adapter was made for another backbone."""

    def __init__(self, name: str, what: str, theirs: object, its: object) -> None:
        super().__init__(
            f"the adapter does not fit {name!r}: its {what} is {theirs}, the backbone's is {its}; "
            "give the backbone that it was trained on with --backbone"
        )


def take_in(spec: ImportSpec, adapter: Adapter, svc: Services) -> str:
    """Record the prompt of `adapter`, and its validation scores; return the id of the run.

    If the same prompt was taken in before for the same tasks, that run's id is returned.

    Raises:
        UnknownTask: there is no such task.
        WrongTasks: it has more tasks, or fewer, than are named.
        OtherTasks: it is known already, for others.
        SameRows: two of the tasks have the same ones.
        NoFit: it was made for another backbone.
        TooLong: prompt and input are over what the backbone declares.
        Busy: another process is at the same run.
    """
    backbone, prompt = svc.backbone(spec.backbone, spec.precision), adapter.prompt
    _check(spec, adapter, backbone)
    given = [svc.task(name) for name in spec.tasks]
    for one in given:
        one.check_length(
            backbone, spec.backbone, len(prompt.task(0)), spec.max_length, instead="a larger model"
        )
    kind = _kind(prompt)
    names = [one.task.name for one in given]
    known = _known(spec, names, svc)
    # A prompt that a group of targets shares looks like a source prompt, and is none.
    of = known.task if known else MULTITASK if kind == "source" else names[0]
    request = ask(
        "import", spec, of, backbone, svc,
        given=given,
        datasets={"validation": [one.info("validation", spec.validation_rows) for one in given]},
        limits=[one.limits(spec.max_length) for one in given],
    )  # fmt: skip
    if done := svc.lineage.find(request.sha):
        return done.id
    with svc.lineage.record(request) as run, svc.progress("import", request.task, 0):
        exams = [Exam.open(one, "validation", spec.validation_rows) for one in given]
        asked = [
            one.encode(backbone, exam.examples, spec.max_length, kind == "context")
            for one, exam in zip(given, exams, strict=True)
        ]
        run.warnings += chain.from_iterable(one.data.warnings for one in given)
        run.truncated = sum(one.truncated for one in asked)
        fit = Fit(prompt, backbone, list(zip(exams, asked, strict=True)), kind)
        run.scores += fit.scores(svc)
        run.prompt = keep(prompt, [one.task.name for one in given], kind, svc)
    return run.id


def digest(prompt: Prompt) -> str:
    """Return the SHA-256 under which lineage knows a prompt."""
    return sha256(pack(prompt)).hexdigest()


def _check(spec: ImportSpec, adapter: Adapter, backbone: Backbone) -> None:
    parts = adapter.prompt.num_tasks if isinstance(adapter.prompt, MultitaskPrompt) else 1
    if not len(spec.tasks) == len(set(spec.tasks)) == parts:
        raise WrongTasks(spec.tasks, parts)
    width = adapter.prompt.task(0).shape[1]
    for what, theirs, its in (
        ("architecture", adapter.architecture, backbone.architecture),
        ("hidden size", width, backbone.hidden_size),
    ):
        if theirs != its:
            raise NoFit(spec.backbone, what, theirs, its)


def _known(spec: ImportSpec, names: Sequence[str], svc: Services) -> PromptRecord | None:
    """Return what lineage knows already of the same prompt, if it is for the same tasks."""
    try:
        known = svc.lineage.get_prompt(spec.adapter)
    except UnknownId:
        return None
    if list(known.tasks or [known.task]) != names:
        raise OtherTasks(known)
    return known


def _kind(prompt: Prompt) -> Kind:
    if isinstance(prompt, MultitaskPrompt):
        return "source" if prompt.num_tasks > 1 else "target"
    return "context" if isinstance(prompt, ContextPrompt) else "teacher"
