"""The commands that give prompts away, and take them in. Heavy libraries are imported late."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from pydantic import ConfigDict

from flows.options import Common, print_json
from pipelines.spec import Count, Precision, Values

Shared = Annotated[Common | None, Parameter(name="*")]


class ImportOptions(Values):
    """What a prompt was trained for, from the command line."""

    model_config = ConfigDict(strict=False)  # the command line is text

    backbone: str | None = None
    """The model that it steers; without it, the one that the adapter names."""
    precision: Precision = "float32"
    validation_rows: Count | None = None
    max_length: Count | None = None


class NoBackbone(ValueError):
    """It is not said what a prompt steers."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"the adapter in {str(folder)!r} names no model: give --backbone")


def export(prompt: str, /, *, to: Path, fused: str | None = None, common: Shared = None) -> None:
    """Write a prompt as an adapter's folder, for PeftModel.from_pretrained.

    Parameters
    ----------
    prompt
        Its digest, or the first 6 digits of it.
    to
        A new or empty folder.
    fused
        One task of a prompt of several: its prompt alone, as plain prompt tuning.
    """
    common = common or Common()
    settings = common.use()
    from flows.environment import environment
    from flows.settings import open_lineage, open_store
    from pipelines.exporting import export as write
    from pipelines.exporting import remember

    with open_lineage(settings) as lineage:
        record = lineage.get_prompt(prompt)
        done = write(record, to, fused, open_store(settings))
        remember(done, record, environment("cpu"), lineage)
    if common.json:
        print_json(asdict(done))
    else:
        sys.stdout.write(
            f"{done.folder}: {done.peft_type} of prompt {done.prompt[:12]} for "
            f"{', '.join(done.tasks)}, on {done.backbone}\n"
        )


def take(
    folder: Path,
    /,
    *,
    task: Annotated[list[str], Parameter(negative=())],
    options: Annotated[ImportOptions | None, Parameter(name="*")] = None,
    common: Shared = None,
) -> None:
    """Take in a prompt that PEFT trained: score it, and begin its lineage.

    Parameters
    ----------
    folder
        Where PEFT saved the adapter.
    task
        What it is for; again for each task, in the order of PEFT's task_ids.
    """
    common = common or Common()
    common.use()
    from flows.running import run_import
    from mpt.peft_format import read
    from pipelines.importing import digest
    from pipelines.spec import ImportSpec

    adapter, values = read(folder), dict(options or ImportOptions())
    backbone = values.pop("backbone") or adapter.backbone
    if not backbone:
        raise NoBackbone(folder)
    spec = ImportSpec(tasks=task, adapter=digest(adapter.prompt), backbone=backbone, **values)
    done = run_import(spec, adapter)
    if common.json:
        print_json(asdict(done))
    else:
        sys.stdout.write(
            f"prompt {done.prompt[:12]} for {', '.join(task)}: {done.validation.metric} "
            f"{done.validation.value:.1f} on {done.validation.n} validation rows; "
            f"{done.version or f'not registered yet: {done.unregistered}'}\n"
        )
