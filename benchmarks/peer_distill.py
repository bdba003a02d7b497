"""Distillation by PEFT, which runs student and teachers, and by us, who keep what teachers said."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.peer_mpt import TASKS, by_task, random_prompt
from benchmarks.peer_t5 import T5Mixed
from benchmarks.peers import Setting
from mpt.distill import Distillation, source_loss
from mpt.encoding import IGNORED, Encoded, mixed_batch
from mpt.teacher_states import TeacherStates

SETTINGS = Distillation()


class T5Distillation(T5Mixed):
    """A step on mixed rows with the loss of the source training: labels, logits, last states.

    Ours is timed with all rows kept, as from the second time on that a row is drawn.
    """

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        # PEFT runs several teachers in one batch only as one prompt of several tasks.
        prompt = random_prompt(setting, setting.draws().manual_seed(setting.seed + 1))
        config = self.model.peft_config["default"]
        self.teacher = setting.in_peft(config).eval()
        encoder = self.teacher.prompt_encoder["default"]
        encoder.embedding.weight.data.copy_(prompt.shared.detach())
        encoder.prefix_task_cols.data.copy_(torch.stack([*prompt.u]).detach())
        encoder.prefix_task_rows.data.copy_(torch.stack([*prompt.v]).detach())
        self.teachers = torch.stack([prompt.task(k) for k in range(TASKS)]).detach()
        self.folder = TemporaryDirectory()
        self.kept = [self._kept(*by_task(batch)) for batch in self.batches]

    def _kept(self, rows: list[Encoded], drawn: list[tuple[int, int]]) -> TeacherStates:
        kept = TeacherStates(self.backbone, self.teachers, rows, Path(self.folder.name))
        kept.signals(drawn, mixed_batch(rows, drawn, self.setting.device), SETTINGS)
        return kept

    def our_loss(self, at: int, rows: list[Encoded], drawn: list[tuple[int, int]]) -> Tensor:
        """Return our loss of batch `at`."""
        batch = mixed_batch(rows, drawn, self.setting.device)
        taught = self.kept[at].signals(drawn, batch, SETTINGS)
        return source_loss(self.backbone, self.prompt, taught, batch, SETTINGS)

    def peft_loss(self, model: Any, inputs: Mapping[str, Any]) -> Tensor:
        """Return the same loss of PEFT's student, whose teachers run beside it."""
        heard = model(**inputs, output_hidden_states=True)
        with torch.no_grad():
            taught = self.teacher(**inputs, output_hidden_states=True)
        there = inputs["labels"] != IGNORED
        ours, theirs = ((one.logits[there] / SETTINGS.temperature) for one in (heard, taught))
        divergence = F.kl_div(
            ours.log_softmax(dim=-1), theirs.log_softmax(dim=-1), log_target=True,
            reduction="batchmean",
        )  # fmt: skip
        states = [one.decoder_hidden_states[-1][there] for one in (heard, taught)]
        loss: Tensor = heard.loss + SETTINGS.weight * (divergence + F.mse_loss(*states))
        return loss

    def flops(self) -> tuple[float, float]:
        """Return ours, and PEFT's with padding, of which the teachers' pass is forward only."""
        ours, theirs = super().flops()
        return ours, theirs + sum(self.peft_flops(batch, training=False) for batch in self.batches)
