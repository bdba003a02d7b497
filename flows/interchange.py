"""The commands that give prompts away, and take them in."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from flows.options import Common, print_json

Shared = Annotated[Common | None, Parameter(name="*")]


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
    from flows.settings import open_lineage
    from pipelines.exporting import export as write
    from pipelines.store import Store

    with open_lineage(settings) as lineage:
        record = lineage.get_prompt(prompt)
    done = write(record, to, fused, Store(settings.home / "store"))
    if common.json:
        print_json(asdict(done))
    else:
        sys.stdout.write(
            f"{done.folder}: {done.peft_type} of prompt {done.prompt[:12]} for "
            f"{', '.join(done.tasks)}, on {done.backbone}\n"
        )
