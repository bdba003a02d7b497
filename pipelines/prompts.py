"""Prompts that lineage knows, as tensors again."""

from torch import Tensor

from mpt.backbone import Backbone
from mpt.peft_format import unpack
from mpt.prompt import MultitaskPrompt
from pipelines.records import PromptRecord
from pipelines.services import Services


class WrongBackbone(ValueError):
    """A prompt is to steer another backbone than the one it was trained in front of."""

    def __init__(self, prompt: PromptRecord, name: str, backbone: Backbone) -> None:
        super().__init__(
            f"prompt {prompt.sha[:12]} was trained for the backbone {prompt.backbone.name!r} "
            f"({prompt.backbone.sha[:8]}), not for {name!r} ({backbone.digest[:8]}): use that "
            "backbone, or learn a source prompt for this one"
        )


class WrongTask(ValueError):
    """A prompt has no part for a task."""

    def __init__(self, task: str, prompt: PromptRecord) -> None:
        knows = ", ".join(prompt.tasks or (prompt.task,))
        super().__init__(
            f"prompt {prompt.sha[:12]} has no task vector for {task!r}, only for {knows}: adapt it "
            "to that task first"
        )


def check_backbone(prompt: PromptRecord, name: str, backbone: Backbone) -> None:
    """Refuse a prompt of another backbone.

    Raises:
        WrongBackbone: the digests differ.
    """
    if prompt.backbone.sha != backbone.digest:
        raise WrongBackbone(prompt, name, backbone)


def multitask_prompt(sha: str, svc: Services) -> MultitaskPrompt:
    """Return a prompt that has task vectors: a source's, or a target's."""
    prompt = unpack(svc.store.get(sha))
    assert isinstance(prompt, MultitaskPrompt), "lineage says so of its kind"
    return prompt


def vector(prompt: PromptRecord, task: str, svc: Services) -> Tensor:
    """Return what the backbone reads for `task`, [P, H].

    Raises:
        WrongTask: the prompt was trained for other tasks.
    """
    known = prompt.tasks or (prompt.task,)
    if task not in known:
        raise WrongTask(task, prompt)
    return unpack(svc.store.get(prompt.sha)).task(known.index(task)).detach()
