"""T5 behind prompts, by PEFT and by us: a training step on eight tasks, and labels ranked."""

from collections.abc import Sequence
from typing import Any, ClassVar

import peft
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from benchmarks.peer_mpt import TASKS, MptTraining, Row
from benchmarks.peers import BATCHES, Outcome, Setting, Shape
from mpt.encoding import IGNORED, flatten
from mpt.evaluate import label_scores

LENGTHS = (25, 30, 40, 50, 140, 190, 270, 300)
"""Tokens of a middling row of SST-2, QQP, MNLI, QNLI, BoolQ, SQuAD, ReCoRD and MultiRC."""
END = 2
GROUPED_FROM = 50  # batches of rows lie sorted by length, as transformers' Trainer sorts them


class T5Mixed(MptTraining):
    """On rows of any task, as they come: half of a padded batch is padding."""

    task_type = "SEQ_2_SEQ_LM"

    def rows(self, draws: torch.Generator) -> list[Row]:
        """Return rows of tasks drawn at random, with labels of 2 or 3 tokens."""
        return [self._row(draws) for _ in range(self.setting.shape.batch)]

    def _row(self, draws: torch.Generator) -> Row:
        task, more = (int(torch.randint(n, (), generator=draws)) for n in (TASKS, 2))
        length = LENGTHS[task] * float(torch.randn((), generator=draws).mul(0.35).exp())
        text = self.setting.text(draws, max(4, min(512, int(length))))
        return Row(task, [*text, END], [*self.setting.text(draws, 1 + more), END])

    def peft(self, at: int) -> Outcome:
        """Return PEFT's, its dropout off: it would draw another mask."""
        self.model.eval()
        return self.peft_step(self.model, [self._inputs(self.batches[at], 1.0)])

    def peft_tuned(self, at: int) -> Outcome:
        """Return what PEFT does in four groups of like length, of which each counts its share."""
        self.model.eval()
        rows = sorted(self.batches[at], key=lambda row: len(row.text))
        size = max(1, len(rows) // 4)
        groups = [rows[start : start + size] for start in range(0, len(rows), size)]
        labels = sum(len(row.label) for row in rows)
        return self.peft_step(
            self.tuned,
            [self._inputs(some, sum(len(row.label) for row in some) / labels) for some in groups],
        )

    def _inputs(self, rows: list[Row], share: float) -> dict[str, Any]:
        device = self.setting.device
        ids, mask = self.setting.padded([row.text for row in rows])
        labels = [torch.tensor(row.label) for row in rows]
        return {
            "input_ids": ids, "attention_mask": mask,
            "labels": pad_sequence(labels, batch_first=True, padding_value=IGNORED).to(device),
            "task_ids": torch.tensor([row.task for row in rows], device=device),
            "use_cache": False, "share": share,
        }  # fmt: skip

    def flops(self) -> tuple[float, float]:
        """Return ours, and PEFT's with padding."""
        ours = sum(
            our_t5_flops(self.setting.shape, [len(row.text) for row in rows], _answers(rows))
            for rows in self.batches
        )
        return ours, sum(map(self.peft_flops, self.batches))

    def peft_flops(self, rows: list[Row], *, training: bool = True) -> float:
        """Return PEFT's on one batch, in which each row is as long as the longest."""
        padded = [max(len(row.text) for row in rows)] * len(rows)
        return t5_flops(self.setting.shape, padded, _answers(rows), training=training)


def _answers(rows: list[Row]) -> int:
    """Return how many tokens are predicted, with padding."""
    return len(rows) * max(len(row.label) for row in rows)


class T5Grouped(T5Mixed):
    """On batches of rows of one length, as far as sorting gets: little is padding."""

    def rows(self, draws: torch.Generator) -> list[Row]:
        """Return neighbours among many rows sorted by length."""
        size = self.setting.shape.batch
        many = sorted(
            (self._row(draws) for _ in range(GROUPED_FROM * size)), key=lambda row: len(row.text)
        )
        start = size * int(torch.randint(GROUPED_FROM, (), generator=draws))
        return many[start : start + size]

    def peft_tuned(self, at: int) -> Outcome:
        """Return the same as `peft`, but compiled: there is nothing left to sort."""
        return self.peft_step(self.tuned, [self._inputs(self.batches[at], 1.0)])


class T5Ranking:
    """An evaluation of a few batches: labels of one word each, and the end.

    Rows come as they are. We sort them ourselves, and so does PEFT where it is tuned.
    """

    peers: ClassVar[Sequence[str]] = ("forward", "generate", "peft_tuned")

    def __init__(self, setting: Setting) -> None:
        self.setting, shape = setting, setting.shape
        self.backbone = setting.backbone()
        self.labels = [f"w{5 + at}" for at in range(shape.labels)]
        draws = setting.draws()
        self.prompt = 0.5 * torch.randn(shape.context, shape.width, generator=draws)
        lengths = torch.randn(BATCHES * shape.batch, generator=draws).mul(0.35).exp()
        lengths = lengths.mul(shape.text).clamp(4, 512)
        self.rows = [[*setting.text(draws, int(length)), END] for length in lengths]
        config = peft.PromptTuningConfig(
            task_type="SEQ_2_SEQ_LM", num_virtual_tokens=shape.context,
            num_transformer_submodules=1,
        )  # fmt: skip
        self.model = setting.in_peft(config).eval()
        self.model.prompt_encoder["default"].embedding.weight.data.copy_(self.prompt)

    def ours(self, at: int) -> Outcome:
        """Return the scores of all rows."""
        answers = self.backbone.label_ids(self.labels)[:1] * len(self.rows)
        encoded = flatten(self.rows, answers, 999, 9, pad=0)
        batch = self.setting.shape.batch
        return {"scores": label_scores(self.backbone, self.prompt, encoded, self.labels, batch)}

    def forward(self, at: int) -> Outcome:
        """Return the scores of all rows, from a forward pass for each label."""
        return {"scores": self._forward(self.rows)}

    def peft_tuned(self, at: int) -> Outcome:
        """Return the same, with the longest rows first: little is padding."""
        order = sorted(range(len(self.rows)), key=lambda row: -len(self.rows[row]))
        scores = self._forward([self.rows[row] for row in order])
        return {"scores": scores[torch.tensor(order).argsort()]}

    @torch.inference_mode()
    def _forward(self, rows: list[list[int]]) -> Tensor:
        scores = []
        for some in self._parts(rows):
            ids, mask = self.setting.padded(some)
            of_labels = []
            for label in self.backbone.label_ids(self.labels):
                wanted = ids.new_tensor(label).repeat(len(ids), 1)
                logits = self.model(input_ids=ids, attention_mask=mask, labels=wanted).logits
                wide = logits if logits.dtype == torch.float64 else logits.float()
                said = wide.log_softmax(dim=-1).gather(2, wanted.unsqueeze(2))
                of_labels.append(said.sum(dim=(1, 2)))
            scores.append(torch.stack(of_labels, dim=1).cpu().float())
        return torch.cat(scores)

    @torch.inference_mode()
    def generate(self, at: int) -> Outcome:
        """Write two tokens to each row; it may be anything, so there is nothing to compare."""
        for rows in self._parts(self.rows):
            ids, mask = self.setting.padded(rows)
            self.model.generate(
                input_ids=ids, attention_mask=mask, min_new_tokens=2, max_new_tokens=2,
                do_sample=False,
            )  # fmt: skip
        return {}

    def _parts(self, rows: list[list[int]]) -> list[list[list[int]]]:
        batch = self.setting.shape.batch
        return [rows[at : at + batch] for at in range(0, len(rows), batch)]

    def flops(self) -> tuple[float, float]:
        """Return ours, and those of PEFT's forward passes with padding."""
        shape, labels = self.setting.shape, self.setting.shape.labels
        rows = len(self.rows)
        lengths, answers = [len(row) for row in self.rows], (1 + labels) * rows
        ours = our_t5_flops(shape, lengths, answers, training=False)
        padded = [max(map(len, some)) for some in self._parts(self.rows) for _ in some]
        return ours, labels * t5_flops(shape, padded, 2 * rows, training=False)


def t5_flops(shape: Shape, lengths: Sequence[int], answers: int, *, training: bool = True) -> float:
    """Return PEFT's operations on texts of so many tokens behind a prompt each, by formula.

    `answers` tokens are predicted; the decoder's attention is left out.
    """
    weight, pair = (4, 14) if training else (2, 4)
    inputs = [shape.context + length for length in lengths]
    pairs = sum(length**2 for length in inputs)
    linear = (shape.body + shape.cross) * sum(inputs) + (shape.decoder + shape.head) * answers
    return weight * linear + pair * shape.width * shape.layers * pairs


def our_t5_flops(
    shape: Shape, lengths: Sequence[int], answers: int, *, training: bool = True
) -> float:
    """Return ours: answers go to the input's states, and these through no K and V for them."""
    weight, pair = (4, 12) if training else (2, 4)
    inputs = sum(shape.context + length for length in lengths)
    looks = answers / len(lengths) * inputs * shape.heads * shape.width * shape.layers
    spared = weight * shape.cross * (inputs - answers)
    return t5_flops(shape, lengths, answers, training=training) - spared + pair * looks
