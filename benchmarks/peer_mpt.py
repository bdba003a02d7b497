"""Multitask prompt tuning by PEFT and by us: a training step."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import peft
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from benchmarks.peers import BATCHES, Outcome, Setting, flops, gradient
from mpt.encoding import IGNORED, Encoded, flatten, mixed_batch
from mpt.prompt import MultitaskPrompt

TASKS = 8
LABEL = 2  # tokens


class Row(NamedTuple):
    """A row of a batch."""

    task: int
    text: list[int]
    label: list[int]


class MptTraining(ABC):
    """A step on rows of several tasks, from lists of tokens to gradients."""

    peers: ClassVar[Sequence[str]] = ("peft", "peft_tuned")
    task_type: str

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.backbone = setting.backbone()
        draws = setting.draws()
        self.batches = [self.rows(draws) for _ in range(BATCHES)]
        self.prompt = random_prompt(setting, draws)
        self.model = setting.in_peft(
            peft.MultitaskPromptTuningConfig(
                task_type=self.task_type,
                num_tasks=TASKS,
                num_virtual_tokens=setting.shape.context,
                num_ranks=1,
                num_transformer_submodules=1,
            )
        )
        self.tuned = setting.tuned(self.model)
        encoder = self.model.prompt_encoder["default"]
        self.trained: dict[str, Tensor] = {
            "shared": encoder.embedding.weight,
            "u": encoder.prefix_task_cols,
            "v": encoder.prefix_task_rows,
        }
        encoder.embedding.weight.data.copy_(self.prompt.shared.detach())
        encoder.prefix_task_cols.data.copy_(torch.stack([*self.prompt.u]).detach())
        encoder.prefix_task_rows.data.copy_(torch.stack([*self.prompt.v]).detach())

    @abstractmethod
    def rows(self, draws: torch.Generator) -> list[Row]:
        """Return a batch."""

    @abstractmethod
    def flops(self) -> tuple[float, float]:
        """Return the operations of all batches by formula: ours, and the first peer's."""

    def ours(self, at: int) -> Outcome:
        """Return loss and gradients."""
        self.prompt.zero_grad(set_to_none=True)
        loss = self.our_loss(at, *by_task(self.batches[at]))
        loss.backward()
        u = torch.stack([gradient(one) for one in self.prompt.u])
        v = torch.stack([gradient(one) for one in self.prompt.v])
        return {"loss": loss.detach(), "shared": gradient(self.prompt.shared), "u": u, "v": v}

    def our_loss(self, at: int, rows: list[Encoded], drawn: list[tuple[int, int]]) -> Tensor:
        """Return our loss of batch `at`: what is drawn of each task's rows."""
        batch = mixed_batch(rows, drawn, self.setting.device)
        loss: Tensor = self.backbone(self.prompt(batch.task_ids), batch).loss
        return loss

    def peft_step(self, model: Any, parts: Sequence[Mapping[str, Any]]) -> Outcome:
        """Return PEFT's, of one batch in parts: what each is called with, and its `share`."""
        self.model.zero_grad(set_to_none=True)
        total = 0.0
        for part in parts:
            inputs = dict(part)
            share = inputs.pop("share")
            loss = share * self.peft_loss(model, inputs)
            loss.backward()
            total += loss.detach()
        found = {name: gradient(weight) for name, weight in self.trained.items()}
        return {"loss": torch.as_tensor(total), **found}

    def peft_loss(self, model: Any, inputs: Mapping[str, Any]) -> Tensor:
        """Return PEFT's loss, a mean over label tokens."""
        loss: Tensor = model(**inputs).loss
        return loss


class LmTraining(MptTraining):
    """Of a decoder-only model, on a batch that all tasks share alike."""

    task_type = "CAUSAL_LM"

    def rows(self, draws: torch.Generator) -> list[Row]:
        """Return texts of 20 to 150 tokens, of 60 in the middle, and their labels."""
        setting = self.setting
        middle = torch.randn(setting.shape.batch, generator=draws).mul(0.35).exp().mul(60)
        return [
            Row(at % TASKS, setting.text(draws, int(length)), setting.text(draws, LABEL))
            for at, length in enumerate(middle.clamp(20, 150))
        ]

    def peft(self, at: int) -> Outcome:
        """Return what PEFT does with the mask that its documentation asks for."""
        self.model.train()
        mask = self.setting.padded([row.text + row.label for row in self.batches[at]])[1]
        return self.peft_step(self.model, [self._inputs(at) | {"attention_mask": mask}])

    def peft_tuned(self, at: int) -> Outcome:
        """Return what PEFT does without a cache, and without a mask: padding is on the right."""
        self.model.eval()
        return self.peft_step(self.tuned, [self._inputs(at) | {"use_cache": False}])

    def _inputs(self, at: int) -> dict[str, Any]:
        rows, device = self.batches[at], self.setting.device
        ids, _ = self.setting.padded([row.text + row.label for row in rows])
        wanted = [torch.tensor([IGNORED] * len(row.text) + row.label) for row in rows]
        labels = pad_sequence(wanted, batch_first=True, padding_value=IGNORED).to(device)
        tasks = torch.tensor([row.task for row in rows], device=device)
        return {"input_ids": ids, "labels": labels, "task_ids": tasks, "share": 1.0}

    def flops(self) -> tuple[float, float]:
        """Return ours, and PEFT's with padding: it predicts a token at each place."""
        shape = self.setting.shape
        prompts = sum(len({row.task for row in batch}) for batch in self.batches)
        lengths = [[len(row.text) + LABEL for row in batch] for batch in self.batches]
        each = [length - 1 for batch in lengths for length in batch]  # the last label is not read
        texts = [shape.context + max(batch) for batch in lengths for _ in batch]
        ours = flops(shape, [shape.context] * prompts, 0, training=True)
        ours += flops(shape, each, LABEL * len(each), behind=shape.context, training=True)
        return ours, flops(shape, texts, sum(texts), training=True)


def by_task(rows: Sequence[Row]) -> tuple[list[Encoded], list[tuple[int, int]]]:
    """Return each task's rows, flat, and of which task and row the batch consists."""
    mine = [[row for row in rows if row.task == task] for task in range(TASKS)]
    parts = [
        flatten([row.text for row in some], [row.label for row in some], 999, 99, 0)
        for some in mine
    ]
    return parts, [(row.task, mine[row.task].index(row)) for row in rows]


def random_prompt(setting: Setting, draws: torch.Generator) -> MultitaskPrompt:
    """Return our prompt, with factors about 1."""
    shape = setting.shape
    shared = torch.randn(shape.context, shape.width, generator=draws)
    u = [1 + 0.1 * torch.randn(shape.context, 1, generator=draws) for _ in range(TASKS)]
    v = [1 + 0.1 * torch.randn(1, shape.width, generator=draws) for _ in range(TASKS)]
    prompt: MultitaskPrompt = setting.own(MultitaskPrompt(0.02 * shared, u, v))
    return prompt
