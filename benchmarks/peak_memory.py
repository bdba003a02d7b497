"""How much memory one step takes, above the loaded model or with it, in a process of its own.

`python -m benchmarks.peak_memory '{"case": "cpt_train", "side": "ours", ...}'` prints bytes.
"""

import gc
import json
import re
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from benchmarks.cases import CASES
from benchmarks.paired import synchronize
from benchmarks.peers import Setting, Shape


def in_a_child(case: str, side: str, setting: Setting, part: int | None = None) -> int:
    """Return the bytes that one step of `side` takes in a fresh process.

    With a `part`, those of the whole process that does this part of the work only.
    """
    asked = {
        "case": case, "side": side, "shape": asdict(setting.shape), "device": setting.device,
        "dtype": str(setting.dtype).removeprefix("torch."), "seed": setting.seed,
        "threads": torch.get_num_threads(), "part": part,
    }  # fmt: skip
    child = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "benchmarks.peak_memory", json.dumps(asked)],
        cwd=Path(__file__).parents[1], check=True, capture_output=True, text=True,
    )  # fmt: skip
    return int(child.stdout.split()[-1])


def of_a_step(case: str, side: str, setting: Setting) -> int:
    """Return the bytes that one step takes here, above what is loaded."""
    step = getattr(CASES[case](setting), side)
    gc.collect()
    loaded = _begin(setting.device)
    with setting.running(side):
        step(0)
    synchronize(setting.device)
    return _peak(setting.device) - loaded


def of_a_process(case: str, side: str, setting: Setting, part: int) -> int:
    """Return the bytes of this process at the peak of a step, with all that is loaded.

    A peer's process does one part of the work, and ours all of it; neither loads the other side.
    """
    work: Any = CASES[case](setting)
    if side != "ours":
        work.only(part)
    with setting.running(side):
        getattr(work, side)(0)  # loads what it needs
        vars(setting).pop("model")  # of which each side has a copy
        gc.collect()
        _begin(setting.device)
        getattr(work, side)(0)
    synchronize(setting.device)
    return _peak(setting.device)


def _begin(device: str) -> int:
    """Forget the peak that loading left behind, and return the bytes in use."""
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats(device)
        return torch.cuda.memory_allocated(device)
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _peak(device: str) -> int:
    # Not getrusage's ru_maxrss: a child inherits its parent's, and the model's loading is in it.
    return (
        torch.cuda.max_memory_allocated(device) if device.startswith("cuda") else _status("VmHWM")
    )


def _status(name: str) -> int:
    text = Path("/proc/self/status").read_text()
    found = re.search(rf"{name}:\s+(\d+) kB", text)
    assert found, f"this kernel does not report {name}"
    return 1024 * int(found[1])


def main(text: str) -> None:
    """Print the bytes of what is asked, as JSON."""
    asked = json.loads(text)
    torch.set_num_threads(asked["threads"])
    dtype = getattr(torch, asked["dtype"])
    shape = Shape(**asked["shape"])
    setting = Setting(shape, asked["device"], dtype, seed=asked["seed"])
    what, part = (asked["case"], asked["side"], setting), asked["part"]
    print(of_a_step(*what) if part is None else of_a_process(*what, part))


if __name__ == "__main__":
    main(sys.argv[1])
