"""Scoring by a decoder-only model, by PEFT and by us: two labels, one token each."""

from collections.abc import Sequence
from typing import Any, ClassVar

import peft
import torch
from torch import Tensor

from benchmarks.peers import BATCHES, Outcome, Setting, flops
from mpt.encoding import flatten
from mpt.evaluate import label_scores
from mpt.prompt import Prompt, SoftPrompt

LABELS = ["w5", "w9"]


class LmScoring:
    """An evaluation of a few batches behind one prompt.

    Rows come as they are. We sort them ourselves, and so does PEFT where it is tuned.
    """

    peers: ClassVar[Sequence[str]] = ("forward", "generate", "peft_tuned")
    text: ClassVar[tuple[int, int, int]] = (20, 60, 150)
    """Tokens of the shortest row, of a middling one, and of the longest."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.backbone = setting.backbone()
        self.prompt, model = self.sides()
        self.model = model.eval()
        draws = setting.draws()
        shortest, middle, longest = self.text
        lengths = torch.randn(BATCHES * setting.shape.batch, generator=draws).mul(0.35).exp()
        lengths = lengths.mul(middle).clamp(shortest, longest)
        self.rows = [setting.text(draws, int(length)) for length in lengths]
        self.labels = [ids[0] for ids in self.backbone.label_ids(LABELS)]

    def sides(self) -> tuple[Prompt, Any]:
        """Return our prompt, and PEFT's model with the same."""
        shape = self.setting.shape
        tokens = 0.5 * torch.randn(shape.context, shape.width, generator=self.setting.draws())
        config = peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=shape.context)
        model = self.setting.in_peft(config)
        model.prompt_encoder["default"].embedding.weight.data.copy_(tokens)
        return self.setting.own(SoftPrompt(tokens)), model

    def ours(self, at: int) -> Outcome:
        """Return the scores of all rows; the prompt is read anew for each evaluation."""
        encoded = flatten(self.rows, [self.labels[:1]] * len(self.rows), 999, 9, pad=0)
        prompt = self.prompt.task(0).detach()
        batch = self.setting.shape.batch
        return {"scores": label_scores(self.backbone, prompt, encoded, LABELS, batch)}

    def forward(self, at: int) -> Outcome:
        """Return the scores of all rows, from the logits of PEFT's forward pass."""
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
            logits = self.model(input_ids=ids, attention_mask=mask).logits
            last = self.setting.shape.context + mask.sum(dim=1) - 1
            scores.append(self._of_labels(logits[torch.arange(len(ids)), last]))
        return torch.cat(scores)

    @torch.inference_mode()
    def generate(self, at: int) -> Outcome:
        """Return the scores of all rows, from the logits of the one token that is generated."""
        scores = []
        for rows in self._parts(self.rows):
            ids, mask = self.setting.padded(rows, side="left")  # as generation wants it
            said = self.model.generate(
                input_ids=ids, attention_mask=mask, max_new_tokens=1, do_sample=False,
                output_logits=True, return_dict_in_generate=True,
            )  # fmt: skip
            scores.append(self._of_labels(said.logits[0]))
        return {"scores": torch.cat(scores)}

    def _parts(self, rows: list[list[int]]) -> list[list[list[int]]]:
        batch = self.setting.shape.batch
        return [rows[at : at + batch] for at in range(0, len(rows), batch)]

    def _of_labels(self, logits: Tensor) -> Tensor:
        wide = logits if logits.dtype == torch.float64 else logits.float()
        return wide.log_softmax(dim=-1)[:, self.labels].cpu().float()

    def flops(self) -> tuple[float, float]:
        """Return ours, and those of PEFT's forward pass: it predicts a token at each place."""
        shape, lengths = self.setting.shape, [len(row) for row in self.rows]
        texts = [
            shape.context + max(map(len, some)) for some in self._parts(self.rows) for _ in some
        ]
        ours = flops(shape, [shape.context], 0, training=False)
        ours += flops(shape, lengths, len(lengths), behind=shape.context, training=False)
        return ours, flops(shape, texts, sum(texts), training=False)
