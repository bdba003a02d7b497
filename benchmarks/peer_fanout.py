"""Adaptation of eight targets: by PEFT one after another, by us side by side."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar

import peft
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from benchmarks.peer_mpt import LABEL
from benchmarks.peer_t5 import END, LENGTHS, our_t5_flops, t5_flops
from benchmarks.peers import BATCHES, Outcome, Setting, gradient
from mpt.backbone import Backbone
from mpt.encoding import IGNORED, flatten
from mpt.prompt import MultitaskPrompt
from mpt.together import Asked, losses_of

Rows = list[tuple[list[int], list[int]]]
"""The texts of a batch, and their labels."""


class T5FanOut:
    """A step of each target: rows of lengths of its own, a prompt and a task vector of its own."""

    peers: ClassVar[Sequence[str]] = ("peft",)

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.targets: Sequence[int] = range(len(LENGTHS))
        draws = setting.draws()
        self.batches = [[self._rows(draws, length) for length in LENGTHS] for _ in range(BATCHES)]
        self.prompts = [self._prompt(draws) for _ in LENGTHS]

    def only(self, target: int) -> None:
        """Let PEFT's side adapt one target, as a process of its own would."""
        self.targets = [target]

    @cached_property
    def backbone(self) -> Backbone:
        """Our side, loaded when it is first needed."""
        loaded: Backbone = self.setting.backbone()
        return loaded

    @cached_property
    def model(self) -> Any:
        """PEFT's side, with an adapter for each target, loaded when it is first needed."""
        config = peft.MultitaskPromptTuningConfig(
            task_type="SEQ_2_SEQ_LM", num_tasks=1, num_ranks=1,
            num_virtual_tokens=self.setting.shape.context, num_transformer_submodules=1,
        )  # fmt: skip
        model = self.setting.in_peft(config).eval()
        for at in self.targets:
            model.add_adapter(str(at), config)
            prompt = list(self.prompts[at].parameters())
            for weight, value in zip(_weights(model, at), prompt, strict=True):
                weight.data = value.detach().clone().reshape(weight.shape)
        return self.setting.own(model)

    def _rows(self, draws: torch.Generator, middle: int) -> Rows:
        lengths = torch.randn(self.setting.shape.batch, generator=draws).mul(0.35).exp() * middle
        return [
            ([*self.setting.text(draws, int(length)), END], [*self.setting.text(draws, LABEL), END])
            for length in lengths.clamp(4, 512)
        ]

    def _prompt(self, draws: torch.Generator) -> MultitaskPrompt:
        shape = (self.setting.shape.context, self.setting.shape.width)
        shared = 0.02 * torch.randn(shape, generator=draws)
        u = 1 + 0.1 * torch.randn(shape[0], 1, generator=draws)
        v = 1 + 0.1 * torch.randn(1, shape[1], generator=draws)
        prompt: MultitaskPrompt = self.setting.own(MultitaskPrompt(shared, [u], [v]))
        return prompt

    def ours(self, at: int) -> Outcome:
        """Return all losses, and each target's gradients."""
        asked = []
        for prompt, rows in zip(self.prompts, self.batches[at], strict=True):
            prompt.zero_grad(set_to_none=True)
            encoded = flatten(*map(list, zip(*rows, strict=True)), 999, 99, 0)
            asked.append(Asked(prompt, encoded, range(len(rows))))
        losses = torch.stack(losses_of(self.backbone, asked))
        losses.sum().backward()  # type: ignore[no-untyped-call]
        weights = [list(prompt.parameters()) for prompt in self.prompts]
        return _outcome(losses, weights)

    def peft(self, at: int) -> Outcome:
        """Return the same, one target after the other."""
        self.model.zero_grad(set_to_none=True)
        losses = []
        for target in self.targets:
            self.model.set_adapter(str(target))
            loss = self.model(**self._inputs(self.batches[at][target])).loss
            loss.backward()
            losses.append(loss.detach())
        return _outcome(torch.stack(losses), [_weights(self.model, k) for k in self.targets])

    def _inputs(self, rows: Rows) -> dict[str, Any]:
        ids, mask = self.setting.padded([text for text, _ in rows])
        labels = [torch.tensor(label) for _, label in rows]
        return {
            "input_ids": ids, "attention_mask": mask, "use_cache": False,
            "labels": pad_sequence(labels, batch_first=True, padding_value=IGNORED).to(ids),
            "task_ids": ids.new_zeros(len(rows)),
        }  # fmt: skip

    def flops(self) -> tuple[float, float]:
        """Return ours, and PEFT's with padding."""
        ours = theirs = 0.0
        for rows in (some for batch in self.batches for some in batch):
            lengths = [len(text) for text, _ in rows]
            ours += our_t5_flops(self.setting.shape, lengths, (1 + LABEL) * len(rows))
            theirs += t5_flops(
                self.setting.shape, [max(lengths)] * len(rows), (1 + LABEL) * len(rows)
            )
        return ours, theirs


def _weights(model: Any, at: int) -> list[Tensor]:
    """Return PEFT's shared prompt, u and v of target `at`."""
    encoder = model.prompt_encoder[str(at)]
    return [encoder.embedding.weight, encoder.prefix_task_cols, encoder.prefix_task_rows]


def _outcome(losses: Tensor, weights: Sequence[Sequence[Tensor]]) -> Outcome:
    names = ("shared", "u", "v")
    found = {
        name: torch.stack([gradient(one).flatten() for one in same])
        for name, same in zip(names, zip(*weights, strict=True), strict=True)
    }
    return {"loss": losses.detach(), **found}
