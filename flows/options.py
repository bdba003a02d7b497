"""Flags that commands share."""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.servers import record
from flows.settings import PREFIX, Settings, prepare_environment


@dataclass(frozen=True)
class Common:
    """Where to work and how to answer.

    Parameters
    ----------
    home
        Folder of lineage, prompts and MLflow's files [default: .prompt-transfer].
    data
        Folder of task rows, DIR/TASK/SPLIT.jsonl; without it they come from the hub.
    workers
        Jobs at once; they share the cores [default: as GPUs have room, else 1].
    json
        Print JSON on stdout.
    """

    home: Path | None = None
    data: Path | None = None
    workers: int | None = None
    json: bool = False

    def use(self) -> Settings:
        """Make these flags the settings of this process and of its jobs.

        Raises:
            BadSetting: a value makes no sense.
        """
        given = {"HOME": self.home, "DATA": self.data, "WORKERS": self.workers}
        for name, value in given.items():
            if value is not None:
                os.environ[f"{PREFIX}{name}"] = str(value)
        record.join(Settings.read().home)
        settings = Settings.read()
        prepare_environment(settings)
        return settings


def print_json(values: Any) -> None:
    """Print to stdout, which holds nothing else."""
    sys.stdout.write(json.dumps(values, indent=2, default=str) + "\n")
