"""Llama, GPT-2 and their kin as a backbone. Shapes: mpt.prompt; G prompts in front of a batch."""

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from mpt.backbone import Architecture, Backbone, precise
from mpt.causal import Causal
from mpt.encoding import IGNORED, Batch, Encoded, flatten
from mpt.fronts import Front, Kept
from mpt.packing import joined
from mpt.prompt import Prefix
from mpt.signals import Signals, check_layer
from mpt.text_form import ANSWER, END, begin_of_text, continuation


class NoEncoder(ValueError):
    """Encoder states are asked of a model that has no encoder."""

    def __init__(self) -> None:
        super().__init__(
            "a decoder-only backbone has no encoder: leave encoder_layers empty, and distil "
            "decoder_layers"
        )


class Reading(NamedTuple):
    """Inputs that were read behind a front."""

    kept: Kept  # of front and inputs, P + T tokens
    mask: Tensor  # [B, P + T], 1 at tokens
    last: Tensor  # [B, H], the state after each row's last token

    def take(self, rows: Tensor) -> "Reading":
        """Return some rows of it, by their places in the batch."""
        return Reading(self.kept.take(rows), self.mask[rows], self.last[rows])


class DecoderOnly(Backbone):
    """A frozen model of Hugging Face's AutoModelForCausalLM, and its tokenizer."""

    architecture: ClassVar[Architecture] = "decoder-only"

    def _set_up(self) -> None:
        self.begin = begin_of_text(self.tokenizer)
        # Never seen: rows are padded on the right.
        self.pad: int = self.model.config.pad_token_id or 0
        self.causal = Causal(self.model)
        reaches = [one for one in (self.max_length, self.causal.window) if one is not None]
        self.max_length = min(reaches, default=None)

    def encode(
        self, inputs: Sequence[str], answers: Sequence[str], max_input: int, max_answer: int
    ) -> Encoded:
        """Tokenise examples: `<s>input answer:`, and the label; the input is cut where too long."""
        return self._encode(self.begin, inputs, answers, max_input, max_answer)

    def encode_next(
        self, inputs: Sequence[str], answers: Sequence[str], max_input: int, max_answer: int
    ) -> Encoded:
        """Tokenise examples that follow a context, and so do not begin a text."""
        return self._encode([], inputs, answers, max_input, max_answer)

    def _encode(
        self,
        begin: list[int],
        inputs: Sequence[str],
        answers: Sequence[str],
        max_input: int,
        max_answer: int,
    ) -> Encoded:
        asked = self.tokens([ANSWER])[0]
        return flatten(
            [[*begin, *row] for row in self.tokens([text + ANSWER for text in inputs])],
            self.label_ids(answers),
            max_input,
            max_answer,
            self.pad,
            kept=len(asked),
        )

    def label_ids(self, labels: Sequence[str]) -> list[list[int]]:
        """Return the token ids that write each of `labels` after `answer:`.

        Raises:
            MergedLabel: the tokenizer makes one token of a label and what stands before it.
        """
        return continuation(self.tokens, ANSWER, [f" {label}" for label in labels])

    def logits(self, states: Tensor) -> Tensor:
        """Return what follows `states` [..., H]: logits [..., V]."""
        return precise(self.model.get_output_embeddings()(states))

    def forward(
        self,
        prefix: Prefix | None,
        batch: Batch,
        encoder_layers: Sequence[int] = (),
        decoder_layers: Sequence[int] = (),
    ) -> Signals:
        """Read `batch` under its prompts (or none), and predict its labels; see `Backbone`.

        Raises:
            NoEncoder: an encoder layer is asked for.
            UnknownLayer: a layer is asked for that the backbone does not have.
        """
        if encoder_layers:
            raise NoEncoder
        for layer in decoder_layers:
            check_layer(layer, self.num_layers)
        rows = joined(batch)
        owners = torch.zeros_like(batch.task_ids) if prefix is None else prefix.owners
        prompts = None if prefix is None else prefix.prompts
        inner = any(layer not in {-1, self.num_layers} for layer in decoder_layers)
        _, states = self.causal.together(prompts, owners, rows.ids, rows.mask, every_layer=inner)
        at = rows.places.unsqueeze(2)
        answers = [one.gather(1, at.expand(-1, -1, one.shape[2])) for one in states]
        logits = self.logits(answers[-1])
        loss = F.cross_entropy(logits.flatten(0, 1), batch.labels.flatten(), ignore_index=IGNORED)
        hidden = tuple(answers[layer] if inner else answers[-1] for layer in decoder_layers)
        return Signals(loss, logits, hidden)

    @torch.inference_mode()
    def prepare(self, prompts: Sequence[Tensor]) -> list[Front]:
        """Run each of `prompts` once; see `Reader`."""
        # Each alone: then none of its numbers depends on which others there are.
        return [self.causal.prefill(one.to(self.device).unsqueeze(0))[0] for one in prompts]

    @torch.inference_mode()
    def read(self, front: Sequence[Front], batch: Batch) -> Reading:
        """Run the inputs of `batch` behind their prompts; see `Reader`."""
        mask, owners = batch.mask, batch.task_ids
        before = Front.of(front) if front else None
        if len(front) > 1:  # of a server's many prompts, a batch has some
            present, owners = torch.unique(owners, return_inverse=True)
            before = Front.of([front[at] for at in present.tolist()])
        (states,), kept = self.causal.read(before, owners, batch.input_ids, mask.bool())
        last = states[torch.arange(len(states), device=states.device), mask.sum(dim=1) - 1]
        seen = before.mask(owners) if before else mask[:, :0]
        return Reading(kept, torch.cat([seen, mask], dim=1), last)

    @torch.inference_mode()
    def score(self, reading: Reading, labels: Sequence[Sequence[int]]) -> Tensor:
        """Return the log-probability of each of `labels`, [B, labels], in nats; see `Backbone`."""
        first = self.logits(reading.last).log_softmax(dim=-1)  # [B, V]
        scores = []
        for label in labels:
            score = first[:, label[0]]
            if len(label) > 1:
                ids = reading.mask.new_tensor(label[:-1]).expand(len(reading.mask), -1)
                rest = self.logits(_next(self.causal, reading, ids)).log_softmax(dim=-1)
                reading.kept.cache.crop(1 - len(label))  # back to the input, for the next label
                after = ids.new_tensor(label[1:]).expand_as(ids).unsqueeze(2)
                score = score + rest.gather(2, after).sum(dim=(1, 2))
            scores.append(score)
        return torch.stack(scores, dim=1)

    @torch.inference_mode()
    def write(self, reading: Reading, max_answer: int) -> list[str]:
        """Return the greedy answer to each row, up to the end of a line; see `Backbone`."""
        written = self.logits(reading.last).argmax(dim=-1, keepdim=True)  # [B, 1]
        while written.shape[1] < max_answer:
            states = _next(self.causal, reading, written)
            following = self.logits(states[:, -1]).argmax(dim=-1, keepdim=True)
            written = torch.cat([written, following], dim=1)
        return self.texts(written)

    def ended(self, ids: Tensor) -> bool:
        """Say whether each of `ids` [B, S] writes the end of a line."""
        return all(END in text for text in self.tokenizer.batch_decode(ids))

    def texts(self, ids: Tensor) -> list[str]:
        """Return the answers that token `ids` [B, S] write, each up to the end of its line."""
        texts: list[str] = self.tokenizer.batch_decode(ids, skip_special_tokens=True)
        return [text.partition(END)[0].strip() for text in texts]

    @torch.inference_mode()
    def shares_prefixes(self) -> bool:
        """Say whether a text read in two parts gives the model's own logits.

        Not so where attention looks ahead, or where something stands between states and logits.
        """
        rows = [[0, 1, 2, 3, 4, 5], [0, 1, 2, 8, 7, 6]]
        ids = torch.tensor(rows, device=self.device) % self.vocab_size
        whole = precise(self.model(input_ids=ids, use_cache=False).logits[:, 3:])
        (front, _), rest = self.causal.prefill(self.embed(ids[:1, :3])), ids[:, 3:]
        (states,), _ = self.causal.read(front, ids.new_zeros(2), rest, torch.ones_like(rest).bool())
        parts = self.logits(states)
        loose = 1e-2 if self.model.dtype == torch.float32 else 1e-1
        return torch.allclose(parts, whole, rtol=loose, atol=loose * float(whole.std()))


def _next(causal: Causal, reading: Reading, written: Tensor) -> Tensor:
    """Run what the cache lacks of `written` [B, S] behind what was read; return its states."""
    cache = reading.kept.cache
    there = cache.get_seq_length() - reading.mask.shape[1]
    mask = torch.cat([reading.mask, torch.ones_like(written)], dim=1)
    return causal.go_on(cache, mask, written[:, there:])
