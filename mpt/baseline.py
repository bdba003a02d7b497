"""What prompts are compared with: PEFT's methods, and full fine-tuning. Shapes: mpt.prompt.

The only file that imports peft. Its model is built around a copy of the backbone's, and trained
and scored by whole forward passes, so that every method goes one way: slower than our own.
"""

import copy
import warnings
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mpt.backbone import Backbone, Reader, precise
from mpt.encoding import IGNORED, Batch
from mpt.initial import vocabulary
from mpt.learner import Learner
from mpt.packing import joined
from mpt.peft_format import TASK_TYPES

Options = Mapping[str, Any]
"""What a method is given: numbers, by name; None is what suits the backbone."""

_drawing = Lock()  # PEFT draws from torch's global generator, as nothing else of ours does


class Baseline(Learner, Reader):
    """A copy of a backbone that learns by a method of PEFT's, or with all its weights.

    It answers as a backbone does without a prompt. Dropout stays off.

    Args:
        model: PEFT's, or Hugging Face's; what requires a gradient is trained.
        backbone: the one that it was copied from.
    """

    def __init__(self, model: Any, backbone: Backbone) -> None:
        super().__init__()
        # In a tuple, which registers nothing: what is registered is saved, frozen weights too.
        self._parts = (model, backbone)
        self.weights = nn.ParameterList(one for one in model.parameters() if one.requires_grad)

    @classmethod
    def start(cls, backbone: Backbone, method: str, options: Options, seed: int) -> "Baseline":
        """Return the beginning of a training by `method`.

        Prompt tuning starts from sampled vocabulary as ours does (Lester et al. 2021), all else
        where PEFT starts it.

        Args:
            backbone: what is copied; weights that stay frozen are shared with it.
            method: prompt_tuning, prefix_tuning, p_tuning_mlp, p_tuning_lstm, p_tuning_v2,
                llama_adapter, lora or full.
            options: prompt_length; adapter_length and adapter_layers; rank.
            seed: of all first values.
        """
        if method == "full":
            return cls(copy.deepcopy(backbone.model).requires_grad_(True), backbone)
        model = _in_peft(backbone, _config(backbone, method, options), seed)
        if method == "prompt_tuning":
            start = model.prompt_encoder["default"].embedding.weight
            generator = torch.Generator().manual_seed(seed)
            with torch.no_grad():
                start.copy_(vocabulary(backbone, len(start), generator))
        return cls(model, backbone)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self._parts[1].device

    def slow(self) -> list[nn.Parameter]:
        """Return all that is trained."""
        return list(self.weights)

    def fast(self) -> list[nn.Parameter]:
        """Return nothing: there is one task."""
        return []

    def loss(self, batch: Batch) -> Tensor:
        """Return the mean cross-entropy over the label tokens of `batch`, a scalar, in nats."""
        logits = self.logits(batch).flatten(0, 1)
        return F.cross_entropy(logits, batch.labels.flatten(), ignore_index=IGNORED)

    def logits(self, batch: Batch) -> Tensor:
        """Return what predicts each label token, [B, S, V]."""
        model, backbone = self._parts
        if backbone.architecture == "encoder-decoder":
            said = model(
                input_ids=batch.input_ids, attention_mask=batch.mask, labels=batch.labels
            ).logits
            return precise(said)
        rows = joined(batch)
        said = model(input_ids=rows.ids, attention_mask=rows.mask.long()).logits
        said = said[:, -rows.ids.shape[1] :]  # before them are those of a prompt
        return precise(said.gather(1, rows.places.unsqueeze(2).expand(-1, -1, said.shape[2])))

    def label_ids(self, labels: Sequence[str]) -> list[list[int]]:
        """Return the token ids that write each of `labels`; see `Reader`."""
        return self._parts[1].label_ids(labels)

    def prepare(self, prompts: Sequence[Tensor]) -> None:
        """Do nothing: what it learned stands in the model, and no other prompt before it."""
        assert not prompts

    def read(self, front: None, batch: Batch) -> Batch:
        """Return the rows as a batch without labels: they are read anew with each answer."""
        nothing = batch.input_ids.new_zeros(len(batch.input_ids), 0)
        return batch._replace(labels=nothing)

    @torch.inference_mode()
    def score(self, reading: Batch, labels: Sequence[Sequence[int]]) -> Tensor:
        """Return the log-probability of each of `labels`, [B, labels], in nats; see `Reader`."""
        return torch.stack([self._score(reading, label) for label in labels], dim=1)

    def _score(self, reading: Batch, label: Sequence[int]) -> Tensor:
        labels = reading.labels.new_tensor([label] * len(reading.labels))
        logprobs = self.logits(reading._replace(labels=labels)).log_softmax(dim=-1)
        return logprobs.gather(2, labels.unsqueeze(2)).sum(dim=(1, 2))

    @torch.inference_mode()
    def write(self, reading: Batch, max_answer: int) -> list[str]:
        """Return the greedy answer to each row; see `Reader`.

        PEFT's own `generate` would want rows that are padded on the left.
        """
        backbone, written = self._parts[1], reading.labels
        for _ in range(max_answer):
            next_one = torch.cat([written, written.new_zeros(len(written), 1)], dim=1)
            logits = self.logits(reading._replace(labels=next_one))  # the last label is not read
            written = torch.cat([written, logits[:, -1:].argmax(dim=-1)], dim=1)
            if backbone.ended(written):
                break
        return backbone.texts(written)


def _in_peft(backbone: Backbone, config: Any, seed: int) -> Any:
    import peft

    # Modules are copied and weights are not: PEFT puts its own beside those, and changes none.
    shared = {id(weight): weight for weight in backbone.model.parameters()}
    inner = copy.deepcopy(backbone.model, shared)
    devices = [backbone.device] if backbone.device.type == "cuda" else []
    with _drawing, torch.random.fork_rng(devices), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of transformers, at what PEFT asks it
        torch.manual_seed(seed)
        model = peft.get_peft_model(inner, config).eval()
    for encoder in getattr(model, "prompt_encoder", {}).values():
        encoder.train()  # it has no dropout, and cuDNN's LSTM has no backward pass otherwise
    return model


def _config(backbone: Backbone, method: str, options: Options) -> Any:
    import peft
    from peft.utils import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as LORA

    kind: dict[str, Any] = {"task_type": TASK_TYPES[backbone.architecture]}
    # One prompt, on the input: PEFT's default of two gives a T5's decoder one that is never read.
    front = {
        **kind, "num_virtual_tokens": options.get("prompt_length"), "num_transformer_submodules": 1,
    }  # fmt: skip
    # The prefix of a T5 is the decoder's, and PEFT makes it the right cache for two only.
    prefix = front | {"num_transformer_submodules": 2 if backbone.family == "t5" else 1}
    match method:
        case "prompt_tuning":
            return peft.PromptTuningConfig(**front)
        case "prefix_tuning":
            return peft.PrefixTuningConfig(**prefix, prefix_projection=True)
        case "p_tuning_v2":
            return peft.PrefixTuningConfig(**prefix)
        case "p_tuning_mlp" | "p_tuning_lstm":
            encoder = method.removeprefix("p_tuning_").upper()
            return peft.PromptEncoderConfig(**front, encoder_reparameterization_type=encoder)
        case "llama_adapter":
            layers = options["adapter_layers"] or backbone.num_layers
            return peft.AdaptionPromptConfig(
                **kind, adapter_len=options["adapter_length"], adapter_layers=layers
            )
        case "lora":
            return peft.LoraConfig(
                **kind, r=options["rank"], lora_alpha=2 * options["rank"], lora_dropout=0.0,
                # Query and value, in the families that PEFT knows.
                target_modules=None if backbone.family in LORA else "all-linear",
                fan_in_fan_out=backbone.family == "gpt2",
            )  # fmt: skip
    raise ValueError(f"no baseline is called {method!r}")
