"""Our time and memory over PEFT's, on the same work: `python -m benchmarks.ours_vs_peft`.

Both sides first have to agree, in float64 and as they are timed. Then they take turns, with PEFT
against itself among them; a figure is the median of the rounds' ratios. Where the machine was too
busy to tell, it is tried again, and then stands as refused. The weights are random: this is about
speed only.
"""

import argparse
import json
import platform
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Literal

import torch
from transformers.utils import logging

from benchmarks.cases import CASES, TRIALS, Trial
from benchmarks.chart import draw
from benchmarks.paired import Agreement, agreement, is_noisy, ratio, rounds
from benchmarks.peak_memory import in_a_child
from benchmarks.peers import Setting, Shape, Work

ATTEMPTS = 3
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class Row:
    """One figure: ours over a peer's."""

    case: str
    measure: Literal["time", "memory"]
    peer: str
    ratio: float
    q1: float
    q3: float
    pairs: int
    equality: dict[str, float]
    """How far apart the results are, in the peer's largest value: in float64, and as timed."""
    shape: dict[str, int]
    refused: bool
    null: float | None
    """The median ratio of PEFT to itself in the same rounds."""
    cpu: float | None
    """The same as `ratio` in processor time of all threads; other processes matter less to it."""
    ours: float
    """Seconds, or bytes; the median."""
    flops: float | None
    """The ratio that the operations predict, by formula."""
    target: float | None


def measure(trial: Trial, setting: Setting, pairs: int) -> list[Row]:
    """Return the figures of one trial; the time first."""
    make = CASES[trial.case]
    work = make(setting)
    agreed = agreement(make, setting, work)
    # Sides that disagree would do so again; only a busy machine is worth another attempt.
    attempts = ATTEMPTS if all(one.holds for one in agreed.values()) else 1
    for attempt in range(1, attempts + 1):
        rows = _times(trial, setting, work, agreed, pairs)
        if not any(row.refused for row in rows):
            break
        print(f"{trial.case}: attempt {attempt} of {attempts} is refused", file=sys.stderr)
    return rows if trial.memory is None else [*rows, _memory(trial, setting, rows[0])]


def _times(
    trial: Trial, setting: Setting, work: Work, agreed: dict[str, Agreement], pairs: int
) -> list[Row]:
    seconds = rounds(work, setting, pairs)
    wall = {name: [one.wall for one in ones] for name, ones in seconds.items()}
    cpu = {name: [one.cpu for one in ones] for name, ones in seconds.items()}
    first, (ours, theirs) = work.peers[0], work.flops()
    null = ratio(wall["null"], wall[first])
    rows = []
    for peer in work.peers:
        found = ratio(wall["ours"], wall[peer])
        row = Row(
            case=trial.case,
            measure="time",
            peer=peer,
            ratio=found.median,
            q1=found.q1,
            q3=found.q3,
            pairs=pairs,
            equality={"float64": agreed[peer].exact, "as_timed": agreed[peer].run},
            shape=asdict(setting.shape),
            refused=not agreed[peer].holds or is_noisy(found, null),
            null=null.median,
            cpu=ratio(cpu["ours"], cpu[peer]).median,
            ours=median(wall["ours"]),
            flops=ours / theirs if peer == first else None,
            target=trial.targets.get(peer),
        )
        rows.append(row)
    return rows


def _memory(trial: Trial, setting: Setting, timed: Row) -> Row:
    """Return the memory that one step adds to the loaded model; the results are those timed.

    Where a peer takes several processes, it is all the memory of all of them.
    """
    parts = range(trial.processes) if trial.processes > 1 else [None]
    ours = in_a_child(trial.case, "ours", setting, parts[0])
    theirs = sum(in_a_child(trial.case, timed.peer, setting, part) for part in parts)
    share = ours / theirs
    return replace(
        timed, measure="memory", ratio=share, q1=share, q3=share, pairs=1, ours=ours, null=None,
        cpu=None, flops=None, target=trial.memory,
        refused=max(timed.equality.values()) > setting.tolerance,
    )  # fmt: skip


COLUMNS = {
    "case": 14, "size": 17, "what": 7, "peer": 11, "ratio": 6, "q1": 6, "q3": 6, "null": 6,
    "cpu": 6, "FLOPs": 6, "target": 6, "ours": 9, "apart": 6, "verdict": 8,
}  # fmt: skip
"""The table's, and how wide they are."""


def line(cells: Sequence[str]) -> str:
    """Return a line of the table."""
    pairs = zip(cells, COLUMNS.values(), strict=True)
    return " ".join(cell.ljust(width) for cell, width in pairs).rstrip()


def cells(row: Row) -> list[str]:
    """Return a figure as the cells of the table."""
    numbers = [row.ratio, row.q1, row.q3, row.null, row.cpu, row.flops, row.target]
    much = f"{row.ours:.3f} s" if row.measure == "time" else f"{row.ours / 2**20:.0f} MB"
    return [
        row.case, "C={context} B={batch} T={text}".format(**row.shape), row.measure, row.peer,
        *("" if one is None else f"{one:.3f}" for one in numbers),
        much, f"{max(row.equality.values()):.0e}", "refused" if row.refused else _verdict(row),
    ]  # fmt: skip


def _verdict(row: Row) -> str:
    if row.target is None:
        return ""
    return "met" if row.ratio <= row.target else "MISSED"


def chosen(args: argparse.Namespace) -> Iterator[tuple[Trial, Setting]]:
    """Yield what is asked for."""
    main = {trial.case: trial for trial in reversed(TRIALS)}
    for trial in TRIALS:
        sizes = {"all", f"{trial.context}x{trial.batch}"}
        wanted = sizes & set(args.size) if args.size else trial is main[trial.case]
        if trial.case in args.case and wanted:
            layers = args.layers or trial.layers
            shape = Shape(
                trial.context, trial.batch, layers, trial.width, model=trial.model,
                text=trial.text, labels=trial.labels,
            )  # fmt: skip
            yield trial, Setting(shape, args.device, DTYPES[args.dtype], args.kernels, args.seed)


def parsed() -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", action="append", choices=CASES, help="again for more; else all")
    parser.add_argument("--size", action="append", help="CxB, or all; else each case's first")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="fp32", choices=DTYPES)
    parser.add_argument("--kernels", default="same", choices=["same", "best"])
    parser.add_argument("--pairs", type=int, help="rounds; without it 5, of the slowest 3")
    parser.add_argument("--layers", type=int, help="fewer for a quick look")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--chart", type=Path, help="PNG file for a bar chart")
    args = parser.parse_args()
    args.case = args.case or list(CASES)
    return args


def main() -> None:
    """Print the table, and write it as JSON."""
    args = parsed()
    warnings.filterwarnings("ignore", module="peft|transformers")
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    print(f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads")
    print(line(list(COLUMNS)))
    found: list[Row] = []
    for trial, setting in chosen(args):
        for row in measure(trial, setting, args.pairs or trial.pairs):
            print(line(cells(row)), flush=True)
            found.append(row)
    if args.json:
        args.json.write_text(json.dumps([asdict(row) for row in found], indent=1))
    if args.chart:
        draw(found, args.chart)


if __name__ == "__main__":
    main()
