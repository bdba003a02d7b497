"""Where a task's low-rank matrix begins: new, or the average of others'. Shapes: mpt.prompt."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

Init = Literal["identity", "peft"]


def new_factors(
    shared: Tensor, rank: int, init: Init, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return factors u [P, R] and v [R, H] for a task of the prompt `shared` [P, H].

    Args:
        shared: its shape, dtype and device are taken.
        rank: the rank R of the matrix.
        init: "peft" draws all from N(0, 0.02); "identity" has ones in the first column and row.
        generator: where the draws come from.
    """
    # Drawn in float32 on the CPU whatever `shared` is, so that a seed means the same everywhere.
    length, hidden = shared.shape
    u = 0.02 * torch.randn(length, rank, generator=generator)
    v = 0.02 * torch.randn(rank, hidden, generator=generator)
    if init == "identity":
        u[:, 0] = 1
        v[0, :] = 1
    return u.to(shared), v.to(shared)


class Average(NamedTuple):
    """Factors of the mean matrix, and how much of it they miss."""

    u: Tensor  # [P, R]
    v: Tensor  # [R, H]
    residual: float  # Frobenius norm of (mean - u @ v) over that of the mean; 0 is exact


@torch.no_grad()
def average_factors(u: Sequence[Tensor], v: Sequence[Tensor]) -> Average:
    """Return the best rank-R factors of the mean of the matrices `u[k] @ v[k]`.

    The factors themselves cannot be averaged: (u, v) and (-u, -v) are the same matrix, yet their
    average is zero. So the matrices are averaged, and the mean is cut to rank R by its singular
    value decomposition (Eckart and Young 1936).

    Args:
        u: left factors, K of [P, R].
        v: right factors, K of [R, H].

    Returns:
        Factors whose columns of `u` and rows of `v` have pairwise equal root mean squares, so
        that the average of identities (all ones) is again ones; and the residual.
    """
    rank = u[0].shape[1]
    matrices = [left.double() @ right.double() for left, right in zip(u, v, strict=True)]
    mean = torch.stack(matrices).mean(dim=0)  # [P, H]
    left, values, right = torch.linalg.svd(mean, full_matrices=False)
    left, values, right = left[:, :rank], values[:rank], right[:rank]
    # Each pair of singular vectors is free up to a common sign: let the row's sum be positive.
    sign = torch.where(right.sum(dim=1) < 0, -1.0, 1.0).to(mean)  # [R]
    length, hidden = mean.shape
    scale = values.sqrt() * sign
    tilt = (length / hidden) ** 0.25
    new_u, new_v = left * scale * tilt, right * (scale / tilt).unsqueeze(1)
    residual = (mean - new_u @ new_v).norm() / mean.norm().clamp_min(torch.finfo(mean.dtype).tiny)
    return Average(new_u.to(u[0]), new_v.to(v[0]), residual.item())
