"""Flags that commands share."""

import os
from dataclasses import dataclass
from pathlib import Path

from flows.settings import Settings, prepare_environment
from pipelines.spec import Count, Precision, Seed, TargetTraining


@dataclass(frozen=True)
class Common:
    """Where to work and how to answer.

    Parameters
    ----------
    home
        Folder of lineage, prompts and MLflow's files [default: .prompt-transfer].
    data
        Folder of task rows, DIR/<task>/<split>.jsonl; without it they come from the hub.
    workers
        Jobs at once; they share the cores [default: 1].
    json
        Print JSON on stdout.
    """

    home: Path | None = None
    data: Path | None = None
    workers: int | None = None
    json: bool = False

    def use(self) -> Settings:
        """Make these flags the settings of this process and of its jobs."""
        given = {"HOME": self.home, "DATA": self.data, "WORKERS": self.workers}
        for name, value in given.items():
            if value is not None:
                os.environ[f"PROMPT_TRANSFER_{name}"] = str(value)
        settings = Settings()
        prepare_environment(settings)
        return settings


class AdaptOptions(TargetTraining):
    """How to adapt, from the command line."""

    backbone: str = "nano-t5"
    precision: Precision = "float32"
    seed: Seed = 0
    steps: Count = 100
    batch_size: Count = 16
