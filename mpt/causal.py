"""Running a causal model behind prompts that many rows share: each prompt is run once.

The keys and values of a prompt do not depend on the text behind it. So each of the G different
prompts of a batch runs once, with gradients where they are wanted, and the rows run behind their
keys and values: G·P + B·T tokens instead of B·(P + T). Shapes: mpt.prompt.
"""

from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from mpt import attention
from mpt.fronts import Front, Kept, before, kept, laid_out
from mpt.packing import pack

States = tuple[Tensor, ...]
"""Of each layer, or of the last alone: [B, T, H]."""


class WindowTooShort(ValueError):
    """A prompt and an input reach further back than a model's attention."""

    def __init__(self, length: int, window: int) -> None:
        super().__init__(
            f"a prompt and an input of {length} tokens reach over the sliding window of {window}: "
            "some rows would not see all of the prompt; give a shorter one, or another backbone"
        )


class Causal:
    """A frozen causal model, run in parts.

    Args:
        model: one of Hugging Face's AutoModelForCausalLM; its attention may be exchanged.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.window = sliding_window(model.config)
        self.takes_positions = "position_ids" in model.base_model.forward.__annotations__
        self.packs = attention.can_pack(model)
        if self.packs:
            model.set_attn_implementation(attention.NAME)

    def prefill(self, prompts: Tensor) -> tuple[Front, Tensor]:
        """Run `prompts` [G, P, H], once each; return the last states too, [G, P, H]."""
        cache = DynamicCache()
        states = self._run(prompts.to(self.model.dtype), cache)[-1]
        count, length = prompts.shape[:2]
        return Front(kept(cache), (length,) * count), states

    def together(
        self,
        prompts: Tensor | None,
        owners: Tensor,
        input_ids: Tensor,
        mask: Tensor,
        *,
        every_layer: bool = False,
    ) -> tuple[Tensor, States]:
        """Run `prompts` [G, P, H], and rows behind them as `read` does: at once, where it can.

        Returns:
            The last states of the prompts, [G, P, H], and those of the rows.

        Raises:
            WindowTooShort: the model's attention does not reach back so far.
        """
        if prompts is None or not self.packs:
            front, ahead = (None, None) if prompts is None else self.prefill(prompts)
            states, _ = self.read(
                front, owners, input_ids, mask, every_layer=every_layer, keep=False
            )
            return states[-1][:0] if ahead is None else ahead, states
        self._check_reach(prompts.shape[1] + input_ids.shape[1])
        count, length = prompts.shape[:2]
        packed = pack(mask, owners, [length] * count, ())
        embeds = self._embed(input_ids.flatten()[packed.at])
        first = torch.arange(length, device=mask.device).repeat(count)
        states = self._run(
            torch.cat([prompts.to(embeds.dtype).flatten(0, 1), embeds]).unsqueeze(0), None,
            every_layer,
            position_ids=torch.cat([first, packed.at % mask.shape[1] + length]).unsqueeze(0),
            packed=packed,
            attention_mask=mask.new_zeros(1, 1, 1, 1),  # not used: keeps one from being built
        )  # fmt: skip
        theirs = states[-1][0, : count * length].view(count, length, -1)
        return theirs, tuple(packed.unpack(one, mask) for one in states)

    def read(
        self,
        front: Front | None,
        owners: Tensor,
        input_ids: Tensor,
        mask: Tensor,
        *,
        every_layer: bool = False,
        keep: bool = True,
    ) -> tuple[States, "Kept"]:
        """Run `input_ids` [B, T], padded on the right, each behind its front.

        Args:
            front: what was prefilled; None is nothing.
            owners: each row's place in the front, [B].
            input_ids: token ids, [B, T].
            mask: bool, true at tokens, [B, T]; states at padding mean nothing.
            every_layer: return the states of all layers, from the embeddings on.
            keep: keep what it takes to go on behind the rows.

        Raises:
            WindowTooShort: the model's attention does not reach back so far.
        """
        self._check_reach((front.length if front else 0) + input_ids.shape[1])
        if self.packs:
            return self._packed(front, owners, input_ids, mask, every_layer=every_layer, keep=keep)
        cache = before(front, owners)
        more: dict[str, Any] = {}
        if front and front.ragged:  # else a token sees what stands before it, and no padding
            more = self._seen(torch.cat([front.mask(owners), mask.long()], dim=1), input_ids)
        return self._run(self._embed(input_ids), cache, every_layer, **more), Kept(lambda: cache)

    def _packed(
        self,
        front: Front | None,
        owners: Tensor,
        input_ids: Tensor,
        mask: Tensor,
        *,
        every_layer: bool,
        keep: bool,
    ) -> tuple[States, "Kept"]:
        layers, lengths = front or ((), ())
        packed = pack(mask, owners, lengths, layers)
        places = packed.at % mask.shape[1]
        if front:
            places = places + front.before(owners)[packed.at // mask.shape[1]]
        cache = DynamicCache() if keep else None
        states = self._run(
            self._embed(input_ids.flatten()[packed.at]).unsqueeze(0), cache, every_layer,
            position_ids=places.unsqueeze(0), packed=packed,
            attention_mask=mask.new_zeros(1, 1, 1, 1),  # not used: keeps one from being built
        )  # fmt: skip
        later = Kept(lambda: laid_out(front, owners, packed, cache, mask))
        return tuple(packed.unpack(one, mask) for one in states), later

    def go_on(self, cache: DynamicCache, mask: Tensor, input_ids: Tensor) -> Tensor:
        """Run `input_ids` [B, S] behind what was read; return their states, [B, S, H].

        `mask` [B, all tokens] is 1 at tokens, these included: padding stands between a row and what
        follows it, and does not count.
        """
        return self._run(self._embed(input_ids), cache, **self._seen(mask, input_ids))[-1]

    def _seen(self, mask: Tensor, input_ids: Tensor) -> dict[str, Any]:
        """Return what tells a model which tokens count, and where those that it reads stand."""
        places = mask.cumsum(dim=1)[:, -input_ids.shape[1] :] - 1
        positions = {"position_ids": places} if self.takes_positions else {}
        return {"attention_mask": mask, **positions}

    def _check_reach(self, length: int) -> None:
        if self.window is not None and length > self.window:
            raise WindowTooShort(length, self.window)

    def _embed(self, input_ids: Tensor) -> Tensor:
        embeds: Tensor = self.model.get_input_embeddings()(input_ids)
        return embeds

    def _run(
        self, embeds: Tensor, cache: DynamicCache | None, every_layer: bool = False, **more: Any
    ) -> States:
        out = self.model.base_model(
            inputs_embeds=embeds, past_key_values=cache, use_cache=cache is not None,
            output_hidden_states=every_layer, **more,
        )  # fmt: skip
        states: States = out.hidden_states or (out.last_hidden_state,)
        return states


def sliding_window(config: Any) -> int | None:
    """Return how many tokens back a model's attention reaches; None is all."""
    if not getattr(config, "use_sliding_window", True):
        return None  # Qwen names a window that it does not use
    window: int | None = getattr(config, "sliding_window", None)
    return window
