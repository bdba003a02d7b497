"""Context-aware prompt tuning by PEFT and by us: a training step, and an evaluation."""

from collections.abc import Sequence
from typing import Any, ClassVar

import peft
import torch
from torch import Tensor

from benchmarks.peers import BATCHES, Outcome, Setting, flops, gradient
from mpt.context import Context, Role
from mpt.cpt import ContextPrompt, context_loss, start
from mpt.encoding import flatten
from mpt.evaluate import label_scores

DECAY = 0.95
RADIUS, FORMAT_RADIUS = 0.5, 0.25
INPUT_FORMAT, OUTPUT_FORMAT, LABEL = 4, 3, 2
"""Tokens of an example's format and label; the others are its words."""
LABELS = ["w5", "w9"]


class CptTraining:
    """A step, from the examples that were drawn to the gradient."""

    peers: ClassVar[Sequence[str]] = ("peft", "peft_tuned")

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.context = _context(setting)
        self.backbone = setting.backbone()
        self.prompt = _prompt(self)
        self.model = _in_peft(self)
        self.delta = self.model.prompt_encoder["default"].delta_embedding.weight
        size = (BATCHES, setting.shape.batch)
        drawn = torch.randint(self.context.num_examples, size, generator=setting.draws())
        self.drawn: list[list[int]] = drawn.tolist()
        parts = [self.context.examples == at for at in range(self.context.num_examples)]
        self.ids = [self.context.ids[part].tolist() for part in parts]
        self.roles = [self.context.roles[part].tolist() for part in parts]

    def ours(self, at: int) -> Outcome:
        """Return loss and gradient; and put the context back into its balls, as PEFT does."""
        self.prompt.delta.grad = None
        loss = context_loss(self.backbone, self.prompt, self.drawn[at], DECAY)
        loss.backward()
        self.prompt.project_()
        return {"loss": loss.detach(), "delta": gradient(self.prompt.delta)}

    def peft(self, at: int) -> Outcome:
        """Return what PEFT does with the mask that its documentation asks for."""
        self.model.train()
        mask = self.setting.padded([self.ids[one] for one in self.drawn[at]])[1]
        return self._step(at, attention_mask=mask)

    def peft_tuned(self, at: int) -> Outcome:
        """Return what PEFT does without a cache, and without a mask: padding is on the right."""
        self.model.eval()
        return self._step(at, use_cache=False)

    def _step(self, at: int, **more: Any) -> Outcome:
        self.delta.grad = None
        ids, _ = self.setting.padded([self.ids[one] for one in self.drawn[at]])
        # PEFT writes into the roles that it is given: new ones each time.
        roles, _ = self.setting.padded([self.roles[one] for one in self.drawn[at]])
        loss = self.model(input_ids=ids, labels=ids, input_type_mask=roles, **more).loss
        loss.backward()
        return {"loss": loss.detach(), "delta": gradient(self.delta)}

    def flops(self) -> tuple[float, float]:
        """Return ours, and PEFT's with padding: it predicts a token at each place."""
        shape, rows = self.setting.shape, [[len(self.ids[one]) for one in at] for at in self.drawn]
        each = [length for batch in rows for length in batch]
        labels = LABEL * (BATCHES * self.context.num_examples + len(each))
        texts = [shape.context + max(batch) for batch in rows for _ in batch]
        ours = flops(shape, [shape.context] * BATCHES, 0, training=True)
        ours += flops(shape, each, labels, behind=shape.context, training=True)
        return ours, flops(shape, texts, sum(texts), training=True)


class CptScoring:
    """An evaluation of a few batches under one context: two labels, one token each."""

    peers: ClassVar[Sequence[str]] = ("forward", "generate")

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.context = _context(setting)
        self.backbone = setting.backbone()
        self.prompt = _prompt(self)
        self.model = _in_peft(self).eval()
        draws = setting.draws()
        lengths = torch.randint(24, 41, (BATCHES * setting.shape.batch,), generator=draws)
        # Longest first, as label_scores does it: that spares PEFT padding, too.
        self.lengths: list[int] = lengths.sort(descending=True)[0].tolist()
        self.rows = [setting.text(draws, length) for length in self.lengths]
        self.labels = [ids[0] for ids in self.backbone.label_ids(LABELS)]

    def ours(self, at: int) -> Outcome:
        """Return the scores of all rows; the context is read anew for each evaluation."""
        encoded = flatten(self.rows, [self.labels[:1]] * len(self.rows), 99, 9, pad=0)
        prompt = self.prompt.task(0).detach()
        batch = self.setting.shape.batch
        return {"scores": label_scores(self.backbone, prompt, encoded, LABELS, batch)}

    @torch.inference_mode()
    def forward(self, at: int) -> Outcome:
        """Return the scores of all rows, from the logits of PEFT's forward pass."""
        scores = []
        for rows in self._parts():
            ids, mask = self.setting.padded(rows)
            logits = self.model(input_ids=ids, attention_mask=mask).logits
            last = self.setting.shape.context + mask.sum(dim=1) - 1
            scores.append(self._of_labels(logits[torch.arange(len(ids)), last]))
        return {"scores": torch.cat(scores)}

    @torch.inference_mode()
    def generate(self, at: int) -> Outcome:
        """Return the scores of all rows, from the logits of the one token that is generated."""
        scores = []
        for rows in self._parts():
            ids, mask = self.setting.padded(rows, side="left")  # as generation wants it
            said = self.model.generate(
                input_ids=ids, attention_mask=mask, max_new_tokens=1, do_sample=False,
                output_logits=True, return_dict_in_generate=True,
            )  # fmt: skip
            scores.append(self._of_labels(said.logits[0]))
        return {"scores": torch.cat(scores)}

    def _parts(self) -> list[list[list[int]]]:
        batch = self.setting.shape.batch
        return [self.rows[at : at + batch] for at in range(0, len(self.rows), batch)]

    def _of_labels(self, logits: Tensor) -> Tensor:
        wide = logits if logits.dtype == torch.float64 else logits.float()
        return wide.log_softmax(dim=-1)[:, self.labels].cpu().float()

    def flops(self) -> tuple[float, float]:
        """Return ours, and those of PEFT's forward pass: it predicts a token at each place."""
        shape, count = self.setting.shape, len(self.rows)
        texts = [shape.context + len(rows[0]) for rows in self._parts() for _ in rows]
        ours = flops(shape, [shape.context], 0, training=False)
        ours += flops(shape, self.lengths, count, behind=shape.context, training=False)
        return ours, flops(shape, texts, sum(texts), training=False)


def _context(setting: Setting) -> Context:
    """Return a context of examples of 24 to 40 tokens, of 32 in the mean."""
    draws = setting.draws()
    pairs = setting.shape.context // 64
    longer = torch.randint(9, (pairs,), generator=draws).tolist()
    lengths = [32 + sign * more for more in longer for sign in (1, -1)]
    roles = [
        [Role.INPUT_FORMAT] * INPUT_FORMAT
        + [Role.INPUT] * (length - INPUT_FORMAT - OUTPUT_FORMAT - LABEL)
        + [Role.OUTPUT_FORMAT] * OUTPUT_FORMAT
        + [Role.LABEL] * LABEL
        for length in lengths
    ]
    ids = setting.text(draws, sum(lengths))
    examples = torch.arange(len(lengths)).repeat_interleave(torch.tensor(lengths))
    return Context(
        torch.tensor(ids), torch.tensor([int(r) for one in roles for r in one]), examples
    )


def _prompt(work: CptTraining | CptScoring) -> ContextPrompt:
    """Return our prompt, moved within its balls."""
    setting = work.setting
    radii = {"input_radius": RADIUS, "format_radius": FORMAT_RADIUS}
    prompt = start(work.backbone, work.context, **radii)
    draws = setting.draws()
    with torch.no_grad():
        prompt.delta.copy_(torch.randn(prompt.delta.shape, generator=draws))
    prompt.project_()
    moved: ContextPrompt = setting.own(prompt)
    return moved


def _in_peft(work: CptTraining | CptScoring) -> Any:
    """Return PEFT's model with the same context and the same move."""
    context = work.context
    config = peft.CPTConfig(
        task_type="CAUSAL_LM",
        cpt_token_ids=context.ids.tolist(),
        cpt_mask=[1] * len(context.ids),
        cpt_tokens_type_mask=(4 * context.examples + context.roles).tolist(),
        opt_weighted_loss_type="decay",
        opt_loss_decay_factor=DECAY,
        opt_projection_epsilon=RADIUS,
        opt_projection_format_epsilon=FORMAT_RADIUS,
    )
    model = work.setting.in_peft(config)
    delta = model.prompt_encoder["default"].delta_embedding.weight
    delta.data.copy_(work.prompt.delta.detach())
    return model
