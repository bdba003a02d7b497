"""Soft prompts: the only tensors that are trained; the backbone stays frozen.

Shape legend for this package:
    B batch    T input tokens    S answer tokens    P prompt tokens    H hidden size
    K tasks    R rank            V vocabulary       N examples         L layers
"""

import logging
from abc import abstractmethod
from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from mpt.factors import Init, average_factors, new_factors
from mpt.learner import Learner

logger = logging.getLogger(__name__)

TargetStart = Literal["average", "identity"] | int


class Prefix(NamedTuple):
    """The different prompts before the rows of a batch, and which of them each row reads.

    A decoder-only backbone runs each of the G prompts once, however many rows read it.
    """

    prompts: Tensor  # [G, P, H]
    owners: Tensor  # [B], each row's place among the prompts

    def rows(self) -> Tensor:
        """Return each row's prompt, [B, P, H]."""
        if len(self.prompts) == 1:
            return self.prompts.expand(len(self.owners), -1, -1)
        return self.prompts[self.owners]


class Prompt(Learner):
    """What a backbone reads before its input, one [P, H] tensor for each task."""

    @abstractmethod
    def forward(self, task_ids: Tensor) -> Prefix:
        """Return the prompts of `task_ids` [B]."""

    @abstractmethod
    def task(self, k: int) -> Tensor:
        """Return the prompt of task `k`, [P, H].

        Raises:
            IndexError: `k` is outside 0..K-1.
        """


class SoftPrompt(Prompt):
    """One vanilla prompt, the same for every task: Lester et al. 2021, arXiv 2104.08691.

    Args:
        tokens: first value, [P, H]; it is copied.
    """

    def __init__(self, tokens: Tensor) -> None:
        super().__init__()
        self.tokens = nn.Parameter(tokens.detach().clone())  # [P, H]

    def forward(self, task_ids: Tensor) -> Prefix:
        """Return the one prompt, for each of `task_ids` [B]."""
        return Prefix(self.tokens.unsqueeze(0), torch.zeros_like(task_ids))

    def task(self, k: int) -> Tensor:
        """Return the prompt [P, H], whichever task `k` is."""
        return self.tokens

    def slow(self) -> list[nn.Parameter]:
        """Return the whole prompt."""
        return [self.tokens]

    def fast(self) -> list[nn.Parameter]:
        """Return nothing: no part of it belongs to one task."""
        return []


class MultitaskPrompt(Prompt):
    """One shared prompt P*, bent towards each task by a low-rank matrix.

    The prompt of task k is `shared * (u[k] @ v[k])`, element by element:
    Wang et al. 2023, "Multitask Prompt Tuning", https://arxiv.org/abs/2303.02861, with R = 1.

    Args:
        shared: first value of the shared prompt, [P, H]; it is copied.
        u: the left factor of each task, K of [P, R]; they are copied.
        v: the right factor of each task, K of [R, H]; they are copied.
        freeze_absent_tasks: a task that is absent from a batch gets no gradient at all (None), so
            that AdamW leaves its factors alone. False gives it a gradient of zero, with which
            AdamW still moves it by momentum and decay; PEFT does that.
    """

    def __init__(
        self,
        shared: Tensor,
        u: Sequence[Tensor],
        v: Sequence[Tensor],
        freeze_absent_tasks: bool = True,
    ) -> None:
        super().__init__()
        self.shared = nn.Parameter(shared.detach().clone())  # [P, H]
        # One parameter per task, and not one [K, P, R]: a gradient can then be None.
        self.u = nn.ParameterList(nn.Parameter(one.detach().clone()) for one in u)
        self.v = nn.ParameterList(nn.Parameter(one.detach().clone()) for one in v)
        self.freeze_absent_tasks = freeze_absent_tasks

    @classmethod
    def start(
        cls,
        shared: Tensor,
        num_tasks: int,
        rank: int,
        init: Init,
        generator: torch.Generator,
    ) -> "MultitaskPrompt":
        """Return a prompt to train, with new factors.

        Args:
            shared: first value of the shared prompt, [P, H].
            num_tasks: how many tasks share it, K.
            rank: the rank R of each task's matrix.
            init: "identity" begins every task at the shared prompt (exactly for rank 1; further
                ranks are N(0, 0.02) each); "peft" draws all factors from N(0, 0.02) as PEFT does,
                which begins near a prompt of zeros.
            generator: where the draws come from.
        """
        pairs = [new_factors(shared, rank, init, generator) for _ in range(num_tasks)]
        return cls(shared, [u for u, _ in pairs], [v for _, v in pairs])

    @property
    def num_tasks(self) -> int:
        """How many tasks share the prompt, K."""
        return len(self.u)

    @property
    def rank(self) -> int:
        """The rank R of each task's matrix."""
        return int(self.u[0].shape[1])

    @property
    def parameters_per_task(self) -> float:
        """What a task costs where K share P*, (P * H + K * R * (P + H)) / K: the papers' count."""
        return self.num_parameters / self.num_tasks

    def forward(self, task_ids: Tensor) -> Prefix:
        """Return the prompts of `task_ids` [B].

        Raises:
            IndexError: a task id is outside 0..K-1.
        """
        ids = task_ids.tolist()
        for k in ids:
            self._check(k)
        present = sorted(set(ids)) if self.freeze_absent_tasks else list(range(self.num_tasks))
        prompts = torch.stack([self.task(k) for k in present])  # [tasks in the batch, P, H]
        return Prefix(prompts, task_ids.new_tensor([present.index(k) for k in ids]))

    def task(self, k: int) -> Tensor:
        """Return the prompt of task `k`, [P, H].

        Raises:
            IndexError: `k` is outside 0..K-1.
        """
        self._check(k)
        prompt: Tensor = self.shared * (self.u[k] @ self.v[k])
        return prompt

    def slow(self) -> list[nn.Parameter]:
        """Return the shared prompt, the "slow" weights."""
        return [self.shared]

    def fast(self) -> list[nn.Parameter]:
        """Return every task's factors, the "fast" weights."""
        return [*self.u, *self.v]

    def for_targets(
        self, num_tasks: int, init: TargetStart, freeze_shared: bool, generator: torch.Generator
    ) -> "MultitaskPrompt":
        """Return a prompt to adapt, to one task or to several, with a copy of the shared prompt.

        Args:
            num_tasks: how many target tasks share it.
            init: where the factors of each start: "average" of the source tasks' matrices,
                "identity", or the factors of one source task by its number.
            freeze_shared: train the factors only.
            generator: draws the further ranks of "identity".

        Raises:
            IndexError: `init` is a number outside 0..K-1.
        """
        if init == "average":
            u, v, residual = average_factors(list(self.u), list(self.v))
            logger.info("the average of %d tasks has relative residual %.3g", len(self.u), residual)
        elif init == "identity":
            u, v = new_factors(self.shared, self.rank, "identity", generator)
        else:
            self._check(init)
            u, v = self.u[init], self.v[init]
        targets = MultitaskPrompt(
            self.shared, [u] * num_tasks, [v] * num_tasks, self.freeze_absent_tasks
        )
        targets.shared.requires_grad_(not freeze_shared)
        return targets

    def alone(self, k: int) -> "MultitaskPrompt":
        """Return a prompt of task `k` only, with copies of the shared prompt and its factors.

        Raises:
            IndexError: `k` is outside 0..K-1.
        """
        self._check(k)
        return MultitaskPrompt(self.shared, [self.u[k]], [self.v[k]], self.freeze_absent_tasks)

    def _check(self, k: int) -> None:
        if not 0 <= k < self.num_tasks:
            raise IndexError(f"no task {k} in this prompt: it has tasks 0 to {self.num_tasks - 1}")


def prepend(prompt: Tensor, embeds: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Put `prompt` [B, P, H] before `embeds` [B, T, H], and lengthen `mask` [B, T].

    Returns:
        Embeddings [B, P + T, H] in the dtype of `embeds`, and attention mask [B, P + T].
    """
    seen = mask.new_ones(prompt.shape[:2])  # [B, P]: every prompt token is attended to
    return torch.cat([prompt.to(embeds.dtype), embeds], dim=1), torch.cat([seen, mask], dim=1)


def prepend_each(prompts: Sequence[Tensor], embeds: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Put a prompt [P, H] of its own before each row of `embeds` [B, T, H]; P may differ.

    Returns:
        What `prepend` does, with P + T of the longest row; padding is on the right only.
    """
    tokens = mask.bool()
    rows = [
        torch.cat([p.to(embeds), e[m]]) for p, e, m in zip(prompts, embeds, tokens, strict=True)
    ]
    seen = [mask.new_ones(len(row)) for row in rows]
    return pad_sequence(rows, batch_first=True), pad_sequence(seen, batch_first=True)
