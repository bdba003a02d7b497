"""Pictures of a run, as PNG bytes. No pyplot: its current figure is global state."""

from collections.abc import Sequence
from io import BytesIO

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

Array = NDArray[np.floating]


def learning_curve(
    title: str,
    losses: Sequence[tuple[int, float]],
    scores: Sequence[tuple[int, float]],
    metric: str,
) -> bytes:
    """Draw training loss and validation score over the steps, with the best score marked.

    Args:
        title: what the run is.
        losses: (step, loss in nats); values that are not finite leave a gap.
        scores: (step, validation score in -100..100).
        metric: what the score is called.
    """
    # Fixed margins: a layout engine would draw everything twice to find them.
    figure = Figure(figsize=(7, 4))
    left = figure.add_axes((0.11, 0.13, 0.77, 0.77))
    left.set(title=title, xlabel="step", ylabel="training loss (nats)")
    left.plot(*_columns(losses), color="tab:blue", linewidth=1, label="training loss")
    right = left.twinx()
    right.set_ylabel(f"validation {metric}")
    steps, values = _columns(scores)
    right.plot(steps, values, color="tab:orange", marker="o", markersize=3, label=metric)
    if scores:
        best = int(np.argmax(values))  # the first of equals, as training keeps it
        label = f"best: {values[best]:.1f}"
        right.plot(steps[best], values[best], "*", color="tab:red", markersize=12, label=label)
    left.legend(handles=[*left.lines, *right.lines], loc="center right")
    return _png(figure)


def similarity(u: Sequence[Array], v: Sequence[Array]) -> Array:
    """Return the cosine similarity of the tasks' matrices `u[k] @ v[k]`, [K, K].

    <u_i v_i, u_j v_j> = sum of (u_i^T u_j) * (v_i v_j^T), element by element: two [R, R]
    products, so that no [P, H] matrix is ever made. A matrix of zeros is similar to nothing: 0.

    Args:
        u: left factors, K of [P, R].
        v: right factors, K of [R, H].
    """
    left, right = np.stack(u).astype(float), np.stack(v).astype(float)
    dots = np.einsum("ipr,jps,irh,jsh->ij", left, left, right, right, optimize=True)
    norms = np.sqrt(np.diag(dots))
    scale = np.outer(norms, norms)
    cosines: Array = np.divide(dots, scale, out=np.zeros_like(dots), where=scale > 0)
    return cosines


def similarity_map(title: str, cosines: Array, names: Sequence[str]) -> bytes:
    """Draw how alike the task vectors are: `cosines` [K, K], one row for each of `names`."""
    side = 2.5 + 0.55 * len(names)
    figure = Figure(figsize=(side + 0.8, side), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(cosines, vmin=-1, vmax=1, cmap="RdBu_r")
    axes.set_title(title)
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
    axes.set_yticks(range(len(names)), names)
    for (row, column), value in np.ndenumerate(cosines):
        colour = "white" if abs(value) > 0.6 else "black"
        axes.text(column, row, f"{value:.2f}", ha="center", va="center", color=colour, size=7)
    figure.colorbar(image, label="cosine similarity of u ⊗ v")
    return _png(figure)


def _columns(points: Sequence[tuple[int, float]]) -> tuple[list[int], list[float]]:
    return [step for step, _ in points], [value for _, value in points]


def _png(figure: Figure) -> bytes:
    buffer = BytesIO()
    # No software version in the file: equal runs give equal pictures.
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
