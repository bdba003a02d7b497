"""T5 as a backbone.

The prompt stands on the encoder's input only: a second one on the decoder's, PEFT's default, would
be trained and then never be seen by `generate`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import GenerationConfig
from transformers.modeling_outputs import BaseModelOutput

from mpt.backbone import Architecture, Backbone, precise
from mpt.cross_attention import look_back_
from mpt.documents import DocumentEncoder, Documents, attend_to_documents_
from mpt.encoding import IGNORED, Batch, Encoded, flatten
from mpt.label_tree import LabelTree, read_labels
from mpt.prompt import Prefix, prepend, prepend_each
from mpt.signals import Signals, check_layer


class Reading(NamedTuple):
    """What the encoder made of prompts and inputs."""

    states: Tensor  # [B, P + T, H], or [1, N, H] of documents
    mask: Tensor  # [B, P + T]
    documents: Documents | None = None
    hidden: tuple[Tensor, ...] = ()  # the layers asked for, each [B, P + T, H]

    def memory(self) -> dict[str, Any]:
        """Return what a decoder takes to look back at it."""
        mask = self.mask.new_zeros(1, 1, 1, 1)  # not used: keeps one from being built
        there = {"documents": self.documents} if self.documents else {}
        return {
            "encoder_hidden_states": self.states,
            "encoder_attention_mask": mask if there else self.mask, **there,
        }  # fmt: skip

    def padded(self) -> Tensor:
        """Return the states as those of a batch, [B, P + T, H]."""
        return self.documents.unpack(self.states) if self.documents else self.states

    def take(self, rows: Tensor) -> "Reading":
        """Return some rows of it, by their places in the batch."""
        mask = self.mask[rows]
        if self.documents is None:
            return Reading(self.states[rows], mask)
        spans = [self.documents.spans[row] for row in rows.tolist()]
        states = torch.cat([self.states[:, span] for span in spans], dim=1)
        return Reading(states, mask, Documents.of(mask))


class EncoderDecoder(Backbone):
    """A frozen T5ForConditionalGeneration (v1.0 or v1.1), and its tokenizer."""

    architecture: ClassVar[Architecture] = "encoder-decoder"

    def _set_up(self) -> None:
        model = self.model
        fuse_gelu_(model)
        look_back_(model)
        self.documents = DocumentEncoder(model) if attend_to_documents_(model) else None
        # The checkpoint's own defaults may say beams or penalties; ours is greedy, with nothing.
        model.generation_config = GenerationConfig(  # type: ignore[no-untyped-call]
            decoder_start_token_id=model.config.decoder_start_token_id,
            eos_token_id=model.config.eos_token_id,
            pad_token_id=model.config.pad_token_id,
        )

    def encode(
        self, inputs: Sequence[str], answers: Sequence[str], max_input: int, max_answer: int
    ) -> Encoded:
        """Tokenise examples; inputs and answers end in EOS, and are cut to so many tokens."""
        end = [self.model.config.eos_token_id]
        return flatten(
            [row + end for row in self.tokens(inputs)],
            self.label_ids(answers),
            max_input,
            max_answer,
            self.model.config.pad_token_id,
        )

    def label_ids(self, labels: Sequence[str]) -> list[list[int]]:
        """Return the token ids of each of `labels`, up to EOS."""
        return [[*row, self.model.config.eos_token_id] for row in self.tokens(labels)]

    def forward(
        self,
        prefix: Prefix | None,
        batch: Batch,
        encoder_layers: Sequence[int] = (),
        decoder_layers: Sequence[int] = (),
    ) -> Signals:
        """Read `batch` under its prompts (or none), and predict its labels; see `Backbone`."""
        embeds, mask = self.embed(batch.input_ids), batch.mask
        if prefix is not None:
            embeds, mask = prepend(prefix.rows(), embeds, mask)
        reading = self._encode(embeds, mask, encoder_layers)
        inputs = {
            "input_ids": self.model.prepare_decoder_input_ids_from_labels(batch.labels),
            "use_cache": False,
            **reading.memory(),
        }
        last, hidden = run(self.model.decoder, inputs, decoder_layers)
        logits = self.logits(last)
        loss = F.cross_entropy(logits.flatten(0, 1), batch.labels.flatten(), ignore_index=IGNORED)
        return Signals(loss, logits, hidden, reading.hidden, reading.mask)

    def logits(self, states: Tensor) -> Tensor:
        """Return what the head makes of last states [..., H]: logits [..., V]."""
        # T5 v1.0 scales before its tied head; v1.1 does not.
        if self.model.config.scale_decoder_outputs:
            states = states * self.hidden_size**-0.5
        return precise(self.model.lm_head(states))

    def prepare(self, prompts: Sequence[Tensor]) -> list[Tensor]:
        """Return `prompts` as they are: the encoder reads them anew with each input."""
        return [one.to(self.device) for one in prompts]

    @torch.inference_mode()
    def read(self, front: Sequence[Tensor], batch: Batch) -> Reading:
        """Run the encoder on the inputs of `batch`, each behind its prompt; see `Reader`."""
        embeds, mask = self.embed(batch.input_ids), batch.mask
        if len(front) == 1:
            embeds, mask = prepend(front[0].expand(len(mask), -1, -1), embeds, mask)
        elif front:
            prompts = [front[at] for at in batch.task_ids.tolist()]
            embeds, mask = prepend_each(prompts, embeds, mask)
        return self._encode(embeds, mask, ())

    def _encode(self, embeds: Tensor, mask: Tensor, layers: Sequence[int]) -> Reading:
        if self.documents is None:
            inputs = {"inputs_embeds": embeds, "attention_mask": mask}
            last, hidden = run(self.model.encoder, inputs, layers)
            return Reading(last, mask, None, hidden)
        documents = Documents.of(mask)
        last, inner = self.documents(embeds, documents, layers)
        hidden = tuple(documents.unpack(states) for states in inner)
        return Reading(last, mask, documents, hidden)

    @torch.inference_mode()
    def score(self, reading: Reading, labels: Sequence[Sequence[int]]) -> Tensor:
        """Return the log-probability of each of `labels` (token ids up to EOS), [B, labels].

        All labels are read at once, behind one start.
        """
        tree = LabelTree.of(labels, self.model.config.decoder_start_token_id, self.device)
        states = read_labels(self.model.decoder, tree, *reading[:3])
        logprobs = self.logits(states).log_softmax(dim=-1)  # [B, W, V]
        return torch.stack(
            [
                logprobs[:, places, tree.places[0].new_tensor(label)].sum(dim=1)
                for places, label in zip(tree.places, labels, strict=True)
            ],
            dim=1,
        )

    @torch.inference_mode()
    def write(self, reading: Reading, max_answer: int) -> list[str]:
        """Return the greedy answer to each row, at most `max_answer` tokens with EOS."""
        ids = self.model.generate(
            encoder_outputs=BaseModelOutput(last_hidden_state=reading.padded()),
            attention_mask=reading.mask,
            max_new_tokens=max_answer,
            num_beams=1,
            do_sample=False,
        )
        return self.texts(ids)

    def ended(self, ids: Tensor) -> bool:
        """Say whether each of `ids` [B, S] has an EOS."""
        return bool((ids == self.model.config.eos_token_id).any(dim=1).all())

    def texts(self, ids: Tensor) -> list[str]:
        """Return the answers that token `ids` [B, S] write, each up to its EOS."""
        ended = (ids == self.model.config.eos_token_id).cumsum(dim=1) > 0
        ids = ids.masked_fill(ended, self.model.config.pad_token_id)
        texts: list[str] = self.tokenizer.batch_decode(ids, skip_special_tokens=True)
        return [text.strip() for text in texts]


def run(
    stack: Any, inputs: Mapping[str, Any], layers: Sequence[int]
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Run an encoder or a decoder; return its last states and those of `layers`.

    Layers are numbered as Hugging Face does: 0 is the stack's input, -1 the last layer's output
    after the final norm. That one comes anyway; any other makes the stack keep them all.

    Raises:
        UnknownLayer: the stack does not have one of `layers`.
    """
    depth = len(stack.block)
    for layer in layers:
        check_layer(layer, depth)
    inner = any(layer not in {-1, depth} for layer in layers)
    out = stack(**inputs, output_hidden_states=inner)
    last: Tensor = out.last_hidden_state
    states = out.hidden_states if inner else {-1: last, depth: last}
    return last, tuple(states[layer] for layer in layers)


def fuse_gelu_(model: nn.Module) -> None:
    """Replace Hugging Face's "gelu_new" by torch's one kernel for the same formula, in place.

    On a CPU a tenth to a sixth of a training step goes into its eight small operations. Results
    differ in the last bits only.
    """
    for module in model.modules():
        if type(getattr(module, "act", None)).__name__ == "NewGELUActivation":
            module.act = nn.GELU(approximate="tanh")
