"""The comparison with PEFT as a bar chart."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt

OURS, REFUSED, GOAL = "#2b6cb0", "#cbd5e0", "#c53030"


class Bar(Protocol):
    """What a bar shows."""

    case: str
    measure: str
    peer: str
    ratio: float
    q1: float
    q3: float
    shape: dict[str, int]
    refused: bool
    target: float | None


def draw(rows: Sequence[Bar], file: Path) -> None:
    """Draw our share of each peer's time or memory, its quartiles, and what is demanded."""
    figure, axes = plt.subplots(figsize=(9, 1.2 + 0.32 * len(rows)), layout="constrained")
    for at, row in enumerate(rows):
        axes.barh(at, row.ratio, color=REFUSED if row.refused else OURS)
        axes.plot([row.q1, row.q3], [at, at], color="black", linewidth=1.5)
        if row.target is not None:
            axes.plot([row.target] * 2, [at - 0.4, at + 0.4], color=GOAL, linewidth=2)
        axes.annotate(f"{row.ratio:.2f}", (max(row.ratio, row.q3), at), (4, 0),
                      textcoords="offset points", va="center", fontsize=8)  # fmt: skip
    axes.set_yticks(range(len(rows)), [_name(row) for row in rows], fontsize=8)
    axes.invert_yaxis()
    axes.axvline(1, color="grey", linewidth=0.8)
    axes.set_xlabel("ours / peer; line: quartiles; red: goal; grey: refused")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(file, dpi=130)
    plt.close(figure)


def _name(row: Bar) -> str:
    size = "C={context} B={batch} T={text}".format(**row.shape)
    return f"{row.case} {size}, {row.measure} / {row.peer}"
