"""A real SIGKILL. Run as a program, this file is the process that is killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import torch

from mpt.checkpoint import Checkpoint
from mpt.prompt import MultitaskPrompt
from mpt.sampling import mixed_batches
from mpt.train import Schedule, train

ROOT = Path(__file__).parents[2]
PLAN = Schedule(steps=60, learning_rate=0.3, factor_learning_rate=0.4, validate_every=7)


def training(path, kill_at):
    """Train on a loss without a backbone, so that the process starts in seconds."""
    draw = torch.Generator().manual_seed(0)
    prompt = MultitaskPrompt.start(torch.randn(10, 32, generator=draw), 3, 1, "peft", draw)
    targets = torch.randn(3, 10, 32, generator=draw)

    def loss_of(draws):
        tasks = torch.tensor([task for task, _ in draws])
        return (prompt(tasks).rows() - targets[tasks]).abs().sum()

    def on_step(step, loss):
        if step == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    trained = train(
        prompt,
        mixed_batches([9, 8, 7], 4, seed=0),
        loss_of,
        PLAN,
        validate=lambda: prompt.shared.sum().sin().item(),
        checkpoint=Checkpoint(path),
        on_step=on_step,
    )
    return {name: value.numpy().tobytes() for name, value in prompt.state_dict().items()}, trained


def test_a_process_that_was_killed_is_resumed_by_another_to_the_same_bytes(tmp_path):
    killed = subprocess.run(
        [sys.executable, __file__, str(tmp_path / "killed")],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert (tmp_path / "killed").exists()
    whole = training(tmp_path / "whole", kill_at=None)
    assert training(tmp_path / "killed", kill_at=None) == whole


if __name__ == "__main__":
    training(Path(sys.argv[1]), kill_at=35)
