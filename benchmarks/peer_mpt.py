"""Multitask prompt tuning of a decoder-only model by PEFT and by us: a training step."""

from collections.abc import Sequence
from typing import Any, ClassVar

import peft
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from benchmarks.peers import BATCHES, Outcome, Setting, flops, gradient
from mpt.encoding import IGNORED, Encoded, flatten, mixed_batch
from mpt.prompt import MultitaskPrompt

TASKS = 8
LABEL = 2  # tokens
Row = tuple[list[int], list[int]]
"""A text and its label."""


class MptTraining:
    """A step on a batch that all tasks share alike, from lists of tokens to gradients."""

    peers: ClassVar[Sequence[str]] = ("peft", "peft_tuned")

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.backbone = setting.backbone()
        draws = setting.draws()
        self.batches = [_rows(setting, draws) for _ in range(BATCHES)]
        self.tasks = [at % TASKS for at in range(setting.shape.batch)]
        self.prompt = _prompt(setting, draws)
        self.model = setting.in_peft(
            peft.MultitaskPromptTuningConfig(
                task_type="CAUSAL_LM",
                num_tasks=TASKS,
                num_virtual_tokens=setting.shape.context,
                num_ranks=1,
                num_transformer_submodules=1,
            )
        )
        encoder = self.model.prompt_encoder["default"]
        self.trained: dict[str, Tensor] = {
            "shared": encoder.embedding.weight,
            "u": encoder.prefix_task_cols,
            "v": encoder.prefix_task_rows,
        }
        encoder.embedding.weight.data.copy_(self.prompt.shared.detach())
        encoder.prefix_task_cols.data.copy_(torch.stack([*self.prompt.u]).detach())
        encoder.prefix_task_rows.data.copy_(torch.stack([*self.prompt.v]).detach())

    def ours(self, at: int) -> Outcome:
        """Return loss and gradients."""
        self.prompt.zero_grad(set_to_none=True)
        batch = mixed_batch(*_by_task(self.batches[at], self.tasks), self.setting.device)
        loss: Tensor = self.backbone(self.prompt(batch.task_ids), batch).loss
        loss.backward()
        u = torch.stack([gradient(one) for one in self.prompt.u])
        v = torch.stack([gradient(one) for one in self.prompt.v])
        return {"loss": loss.detach(), "shared": gradient(self.prompt.shared), "u": u, "v": v}

    def peft(self, at: int) -> Outcome:
        """Return what PEFT does with the mask that its documentation asks for."""
        self.model.train()
        mask = self.setting.padded([text + label for text, label in self.batches[at]])[1]
        return self._step(at, attention_mask=mask)

    def peft_tuned(self, at: int) -> Outcome:
        """Return what PEFT does without a cache, and without a mask: padding is on the right."""
        self.model.eval()
        return self._step(at, use_cache=False)

    def _step(self, at: int, **more: Any) -> Outcome:
        self.model.zero_grad(set_to_none=True)
        rows, device = self.batches[at], self.setting.device
        ids, _ = self.setting.padded([text + label for text, label in rows])
        wanted = [torch.tensor([IGNORED] * len(text) + label) for text, label in rows]
        labels = pad_sequence(wanted, batch_first=True, padding_value=IGNORED).to(device)
        tasks = torch.tensor(self.tasks, device=device)
        loss = self.model(input_ids=ids, labels=labels, task_ids=tasks, **more).loss
        loss.backward()
        found = {name: gradient(weight) for name, weight in self.trained.items()}
        return {"loss": loss.detach(), **found}

    def flops(self) -> tuple[float, float]:
        """Return ours, and PEFT's with padding: it predicts a token at each place."""
        shape, prompts = self.setting.shape, BATCHES * len(set(self.tasks))
        rows = [[len(text) + LABEL for text, _ in batch] for batch in self.batches]
        each = [length - 1 for batch in rows for length in batch]  # the last label is not read
        texts = [shape.context + max(batch) for batch in rows for _ in batch]
        ours = flops(shape, [shape.context] * prompts, 0, training=True)
        ours += flops(shape, each, LABEL * len(each), behind=shape.context, training=True)
        return ours, flops(shape, texts, sum(texts), training=True)


def _rows(setting: Setting, draws: torch.Generator) -> list[Row]:
    """Return texts of 20 to 150 tokens, of 60 in the middle, and their labels."""
    middle = torch.randn(setting.shape.batch, generator=draws).mul(0.35).exp().mul(60)
    return [
        (setting.text(draws, int(length)), setting.text(draws, LABEL))
        for length in middle.clamp(20, 150)
    ]


def _by_task(
    rows: Sequence[Row], tasks: Sequence[int]
) -> tuple[list[Encoded], list[tuple[int, int]]]:
    """Return each task's rows, flat, and of which task and row the batch consists."""
    parts = []
    for task in range(TASKS):
        mine = [row for row, owner in zip(rows, tasks, strict=True) if owner == task]
        parts.append(flatten([text for text, _ in mine], [said for _, said in mine], 999, 99, 0))
    return parts, [(task, at // TASKS) for at, task in enumerate(tasks)]


def _prompt(setting: Setting, draws: torch.Generator) -> MultitaskPrompt:
    """Return our prompt, with factors about 1."""
    shape = setting.shape
    shared = torch.randn(shape.context, shape.width, generator=draws)
    u = [1 + 0.1 * torch.randn(shape.context, 1, generator=draws) for _ in range(TASKS)]
    v = [1 + 0.1 * torch.randn(1, shape.width, generator=draws) for _ in range(TASKS)]
    prompt: MultitaskPrompt = setting.own(MultitaskPrompt(0.02 * shared, u, v))
    return prompt
