"""A frozen T5 that reads a prompt before its input. The only file that imports transformers.

Shapes are those of mpt.prompt. The prompt stands on the encoder's input only: a second one on the
decoder's, PEFT's default, would be trained and then never be seen by `generate`.
"""

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import (
    AutoConfig,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    DynamicCache,
    EncoderDecoderCache,
    GenerationConfig,
)
from transformers.modeling_outputs import BaseModelOutput

from mpt.encoding import IGNORED, Batch, Encoded, flatten
from mpt.fingerprint import fingerprint
from mpt.prompt import prepend
from mpt.stacks import Reading, Signals, fuse_gelu_, run
from mpt.tokenizer import declared_length, is_blank

NANO = "nano-t5"


class UnknownBackbone(LookupError):
    """A backbone cannot be loaded: nothing has its name, or its files are not whole."""

    def __init__(self, name: str, reason: object) -> None:
        first = str(reason).strip().partition("\n")[0].rstrip(".")
        super().__init__(
            f"no backbone could be loaded from {name!r} ({first}): give {NANO!r}, a folder with "
            "config.json, model.safetensors and a tokenizer, or a T5's name on the hub"
        )


class NotEncoderDecoder(ValueError):
    """A backbone is not a T5."""

    def __init__(self, name: str, model_type: str) -> None:
        super().__init__(
            f"the backbone {name!r} is a {model_type!r} model: only encoder-decoders of the type "
            "'t5' can read a prompt so far, give one of those"
        )


class Backbone(nn.Module):
    """A frozen T5 (v1.0 or v1.1) and its tokenizer. Its dropout stays off, whatever `train` says.

    Args:
        model: a T5ForConditionalGeneration; it is converted in place.
        tokenizer: its tokenizer.
        device: where it runs.
        dtype: in which precision it runs; prompts are float32 anyway.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.digest = fingerprint(model, model.config, tokenizer)
        fuse_gelu_(model)
        self.tokenizer = tokenizer
        self.model = model.to(device=device, dtype=dtype).requires_grad_(False).eval()
        self.hidden_size: int = model.config.d_model
        self.num_layers: int = model.config.num_layers
        self.num_heads: int = model.config.num_heads
        self.vocab_size: int = model.config.vocab_size
        self.end_token: int = model.config.eos_token_id
        self.max_length = declared_length(tokenizer, model.config)
        self.num_parameters = sum(weight.numel() for weight in model.parameters())
        # The checkpoint's own defaults may say beams or penalties; ours is greedy, with nothing.
        model.generation_config = GenerationConfig(  # type: ignore[no-untyped-call]
            decoder_start_token_id=model.config.decoder_start_token_id,
            eos_token_id=model.config.eos_token_id,
            pad_token_id=model.config.pad_token_id,
        )

    @classmethod
    def load(
        cls,
        name_or_folder: str,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> "Backbone":
        """Load "nano-t5" (it comes with this package), a folder, or a T5 of the Hugging Face hub.

        Raises:
            UnknownBackbone: nothing is there, or files are missing or broken.
            NotEncoderDecoder: it is not a T5.
        """
        nano = Path(str(files("mpt") / "nano" / NANO))
        place = str(nano) if name_or_folder == NANO else name_or_folder
        try:
            config = AutoConfig.from_pretrained(place)
            if not config.is_encoder_decoder or config.model_type != "t5":
                raise NotEncoderDecoder(name_or_folder, config.model_type)
            tokenizer = AutoTokenizer.from_pretrained(place)
            if is_blank(tokenizer):
                raise UnknownBackbone(name_or_folder, "it has no tokenizer")
            # No pickle, and the file's own dtype, which is what the digest is taken of.
            model, report = AutoModelForSeq2SeqLM.from_pretrained(
                place, use_safetensors=True, dtype="auto", output_loading_info=True
            )
        except NotEncoderDecoder:
            raise
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            raise UnknownBackbone(name_or_folder, error) from error
        if missing := report["missing_keys"]:  # transformers would fill them with random numbers
            raise UnknownBackbone(name_or_folder, f"its file lacks {min(missing)}")
        return cls(model, tokenizer, device, dtype)

    def train(self, mode: bool = True) -> "Backbone":
        """Stay in evaluation mode: dropout in a frozen model is only noise."""
        return super().train(False)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        device: torch.device = self.model.device
        return device

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the token ids of each of `texts`, without an end of sequence."""
        if not texts:
            return []
        ids: list[list[int]] = self.tokenizer(
            list(texts), add_special_tokens=False, return_attention_mask=False, verbose=False
        )["input_ids"]
        return ids

    def encode(
        self, inputs: Sequence[str], answers: Sequence[str], max_input: int, max_answer: int
    ) -> Encoded:
        """Tokenise examples; inputs and answers end in EOS, and are cut to so many tokens."""
        end = [self.end_token]
        return flatten(
            [row + end for row in self.tokens(inputs)],
            [row + end for row in self.tokens(answers)],
            max_input,
            max_answer,
            self.model.config.pad_token_id,
        )

    def embed(self, token_ids: Tensor) -> Tensor:
        """Return the input embeddings of `token_ids` [...], as [..., H]."""
        embeds: Tensor = self.model.get_input_embeddings()(token_ids)
        return embeds

    def read(
        self, prompt: Tensor | None, input_ids: Tensor, mask: Tensor, layers: Sequence[int] = ()
    ) -> Reading:
        """Run the encoder on `prompt` [B, P, H] and `input_ids` [B, T]."""
        embeds = self.embed(input_ids)
        if prompt is not None:
            embeds, mask = prepend(prompt, embeds, mask)
        inputs = {"inputs_embeds": embeds, "attention_mask": mask}
        last, hidden = run(self.model.encoder, inputs, layers)
        return Reading(last, mask, hidden)

    def forward(
        self,
        prompt: Tensor | None,
        batch: Batch,
        encoder_layers: Sequence[int] = (),
        decoder_layers: Sequence[int] = (),
    ) -> Signals:
        """Read `batch` under `prompt` [B, P, H] (or none), and predict its labels.

        The hidden states of layers other than the last cost memory (see mpt.stacks.run).

        Raises:
            UnknownLayer: a layer is asked for that the backbone does not have.
        """
        reading = self.read(prompt, batch.input_ids, batch.mask, encoder_layers)
        inputs = {
            "input_ids": self.model.prepare_decoder_input_ids_from_labels(batch.labels),
            "encoder_hidden_states": reading.states,
            "encoder_attention_mask": reading.mask,
            "use_cache": False,
        }
        last, hidden = run(self.model.decoder, inputs, decoder_layers)
        logits = self._logits(last)
        loss = F.cross_entropy(logits.flatten(0, 1), batch.labels.flatten(), ignore_index=IGNORED)
        return Signals(loss, logits, hidden, reading.hidden, reading.mask)

    @torch.inference_mode()
    def score(self, reading: Reading, labels: Sequence[Sequence[int]]) -> Tensor:
        """Return the log-probability of each of `labels` (token ids up to EOS), [B, labels].

        The cross-attention's keys and values, the dear part, are computed once for all labels.
        """
        start = reading.mask.new_full(
            (len(reading.mask), 1), self.model.config.decoder_start_token_id
        )
        cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
        first = self._next(reading, start, cache)  # [B, 1, V]
        scores = []
        for label in labels:
            ids = reading.mask.new_tensor(label).expand(len(reading.mask), -1)  # [B, S]
            rest = self._next(reading, ids[:, :-1], cache) if len(label) > 1 else first[:, :0]
            cache.crop(1 - len(label))  # back to the start token, for the next label
            logprobs = torch.cat([first, rest], dim=1).gather(2, ids.unsqueeze(2))
            scores.append(logprobs.sum(dim=(1, 2)))
        return torch.stack(scores, dim=1)

    def _next(self, reading: Reading, ids: Tensor, cache: EncoderDecoderCache) -> Tensor:
        out = self.model.decoder(
            input_ids=ids,
            encoder_hidden_states=reading.states,
            encoder_attention_mask=reading.mask,
            past_key_values=cache,
            use_cache=True,
        )
        return self._logits(out.last_hidden_state).log_softmax(dim=-1)

    @torch.inference_mode()
    def write(self, reading: Reading, max_answer: int) -> list[str]:
        """Return the greedy answer to each row, at most `max_answer` tokens with EOS."""
        ids = self.model.generate(
            encoder_outputs=BaseModelOutput(last_hidden_state=reading.states),
            attention_mask=reading.mask,
            max_new_tokens=max_answer,
            num_beams=1,
            do_sample=False,
        )
        texts = self.tokenizer.batch_decode(ids, skip_special_tokens=True)
        return [text.strip() for text in texts]

    def _logits(self, states: Tensor) -> Tensor:
        # T5 v1.0 scales before its tied head; v1.1 does not.
        if self.model.config.scale_decoder_outputs:
            states = states * self.hidden_size**-0.5
        logits: Tensor = self.model.lm_head(states)
        return logits if logits.dtype == torch.float64 else logits.float()
