"""Context-aware prompt tuning by PEFT and by us: a training step, and an evaluation."""

from collections.abc import Sequence
from typing import Any, ClassVar

import peft
import torch

from benchmarks.peer_scoring import LmScoring
from benchmarks.peers import BATCHES, Outcome, Setting, flops, gradient
from mpt.context import Context, Role
from mpt.cpt import ContextPrompt, context_loss, start
from mpt.decoder_only import DecoderOnly

DECAY = 0.95
RADIUS, FORMAT_RADIUS = 0.5, 0.25
INPUT_FORMAT, OUTPUT_FORMAT, LABEL = 4, 3, 2
"""Tokens of an example's format and label; the others are its words."""


class CptTraining:
    """A step, from the examples that were drawn to the gradient."""

    peers: ClassVar[Sequence[str]] = ("peft", "peft_tuned")

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.context = _context(setting)
        self.backbone = setting.backbone()
        self.prompt = _prompt(self.backbone, self.context, setting)
        self.model = _in_peft(self.context, self.prompt, setting)
        self.tuned = setting.tuned(self.model)
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
        return self._step(self.model, at, attention_mask=mask)

    def peft_tuned(self, at: int) -> Outcome:
        """Return what PEFT does without a cache, and without a mask: padding is on the right."""
        self.model.eval()
        return self._step(self.tuned, at, use_cache=False)

    def _step(self, model: Any, at: int, **more: Any) -> Outcome:
        self.delta.grad = None
        ids, _ = self.setting.padded([self.ids[one] for one in self.drawn[at]])
        # PEFT writes into the roles that it is given: new ones each time.
        roles, _ = self.setting.padded([self.roles[one] for one in self.drawn[at]])
        loss = model(input_ids=ids, labels=ids, input_type_mask=roles, **more).loss
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


class CptScoring(LmScoring):
    """An evaluation under a context."""

    text = (24, 32, 40)

    def sides(self) -> tuple[ContextPrompt, Any]:
        """Return our context, and PEFT's model with the same."""
        context = _context(self.setting)
        prompt = _prompt(self.backbone, context, self.setting)
        return prompt, _in_peft(context, prompt, self.setting)


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


def _prompt(backbone: DecoderOnly, context: Context, setting: Setting) -> ContextPrompt:
    """Return our prompt, moved within its balls."""
    prompt = start(backbone, context, input_radius=RADIUS, format_radius=FORMAT_RADIUS)
    draws = setting.draws()
    with torch.no_grad():
        prompt.delta.copy_(torch.randn(prompt.delta.shape, generator=draws))
    prompt.project_()
    moved: ContextPrompt = setting.own(prompt)
    return moved


def _in_peft(context: Context, prompt: ContextPrompt, setting: Setting) -> Any:
    """Return PEFT's model with the same context and the same move."""
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
    model = setting.in_peft(config)
    delta = model.prompt_encoder["default"].delta_embedding.weight
    delta.data.copy_(prompt.delta.detach())
    return model
