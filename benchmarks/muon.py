"""Muon for several processes and for CPUs: the optimizer of the nano backbones' matrices.

torch.optim.Muon multiplies in bfloat16, which a CPU without instructions for it does fifty times
slower than in float32, and one matrix after the other, all of them in each process.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, distributed

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
STEPS = 5


def orthogonal(matrices: Tensor) -> Tensor:
    """Return about U Vᵀ of each of `matrices` [N, R, C], by Newton-Schulz iterations.

    Source: Jordan et al. 2024, Muon, with their coefficients.
    """
    wide = matrices.mT if matrices.shape[1] > matrices.shape[2] else matrices
    found = wide / wide.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    a, b, c = COEFFICIENTS
    for _ in range(STEPS):
        gram = found @ found.mT
        found = torch.baddbmm(
            found, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), found, beta=a
        )
    return found.mT if matrices.shape[1] > matrices.shape[2] else found


class Muon(torch.optim.Optimizer):
    """Nesterov momentum whose direction is made orthogonal; weights decay apart from it.

    Args:
        params: matrices.
        lr: for a matrix that is not taller than wide; times sqrt(rows / columns) for one that is.
        weight_decay: per step and learning rate.
        momentum: of the gradients' running mean.
    """

    def __init__(
        self, params: Iterable[Tensor], lr: float, weight_decay: float, momentum: float = 0.95
    ) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:
        """Take one step; each process makes its share of the directions."""
        for group in self.param_groups:
            alike = defaultdict(list)
            for weight in group["params"]:
                alike[weight.shape].append(weight)
            for (rows, columns), weights in alike.items():
                ahead = [self._ahead(weight, group["momentum"]) for weight in weights]
                rate = group["lr"] * max(1.0, rows / columns) ** 0.5
                for weight, way in zip(weights, _shared(torch.stack(ahead)), strict=True):
                    weight.mul_(1 - group["lr"] * group["weight_decay"]).sub_(rate * way)

    def _ahead(self, weight: Tensor, momentum: float) -> Tensor:
        state = self.state[weight]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(weight)
        mean = state["momentum_buffer"].lerp_(weight.grad, 1 - momentum)
        return torch.lerp(weight.grad, mean, momentum)


def _shared(matrices: Tensor) -> Tensor:
    if not distributed.is_initialized():
        return orthogonal(matrices)
    found = torch.zeros_like(matrices)
    mine = slice(distributed.get_rank(), None, distributed.get_world_size())
    found[mine] = orthogonal(matrices[mine])
    distributed.all_reduce(found)
    return found
