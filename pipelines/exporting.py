"""A prompt of lineage as a folder that PEFT reads; lineage knows what was given away."""

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from mpt import peft_format
from mpt.prompt import Prompt
from pipelines.lineage import Lineage
from pipelines.locks import Busy
from pipelines.prompts import WrongTask
from pipelines.records import Environment, PromptRecord, Request
from pipelines.store import Store


class FolderInUse(ValueError):
    """A prompt is to be written over something else."""

    def __init__(self, folder: Path, problem: str) -> None:
        super().__init__(f"{str(folder)!r} {problem}: give a folder that is new or empty")


@dataclass(frozen=True)
class Exported:
    """What was written."""

    prompt: str
    """Its digest in lineage."""
    folder: str
    peft_type: str
    tasks: tuple[str, ...]
    """In the order of PEFT's task_ids; of a fused prompt, the one task."""
    backbone: str
    """The name of the only one that it steers."""
    backbone_sha: str
    adapter: str
    """The digest of the folder's files, as lineage knows it."""


def check_folder(folder: Path) -> None:
    """Refuse a folder that has something in it.

    Raises:
        FolderInUse: it is a file, or not empty.
    """
    if folder.exists() and not folder.is_dir():
        raise FolderInUse(folder, "is a file")
    if folder.exists() and any(folder.iterdir()):
        raise FolderInUse(folder, "is not empty")


def export(record: PromptRecord, folder: Path, fused: str | None, store: Store) -> Exported:
    """Write `record` to `folder` for `PeftModel.from_pretrained`.

    Args:
        record: the prompt.
        folder: a new or empty one.
        fused: the task whose prompt is written as plain prompt tuning; None writes all tasks'.
        store: where its bytes are.

    Raises:
        FolderInUse: the folder is not free.
        WrongTask: the prompt has no part for `fused`.
    """
    check_folder(folder)
    tasks, on = record.tasks or (record.task,), record.backbone
    if fused is not None and fused not in tasks:
        raise WrongTask(fused, record)
    prompt: Prompt = peft_format.unpack(store.get(record.sha))
    if fused is not None:
        prompt, tasks = peft_format.fuse(prompt, tasks.index(fused)), (fused,)
    config = peft_format.export(prompt, folder, on, on.name)
    adapter = digest(folder)
    return Exported(
        record.sha, str(folder), str(config["peft_type"]), tasks, on.name, on.sha, adapter
    )


def digest(folder: Path) -> str:
    """Return the SHA-256 of the names and contents of the files in `folder`, 64 hex digits."""
    found = [[one.name, sha256(one.read_bytes()).hexdigest()] for one in sorted(folder.iterdir())]
    return sha256(json.dumps(found).encode()).hexdigest()


def remember(
    done: Exported, record: PromptRecord, environment: Environment, lineage: Lineage
) -> None:
    """Record that `record` was given away as the adapter `done`; the same again is one run."""
    what = {"prompt": done.prompt, "tasks": list(done.tasks), "adapter": done.adapter}
    identity = json.dumps({"stage": "export", **what}, sort_keys=True)
    request = Request(
        stage="export",
        sha=sha256(identity.encode()).hexdigest(),
        spec=what,
        seed=0,
        task=done.tasks[0] if len(done.tasks) == 1 else record.task,
        environment=environment,
        backbone=record.backbone,
        reads={"exported": [record.sha]},
    )
    if lineage.find(request.sha):
        return
    try:
        with lineage.record(request) as run:
            run.adapter_sha = done.adapter
    except Busy:
        pass  # whoever is at it records the same
