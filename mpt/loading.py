"""Opening a backbone: one that ships with the package, a folder, or a name on the hub."""

from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
)

from mpt.backbone import Backbone
from mpt.decoder_only import DecoderOnly
from mpt.encoder_decoder import EncoderDecoder
from mpt.memory import Size
from mpt.text_form import ANSWER, begin_of_text
from mpt.tokenizer import declared_length, is_blank

NANO = ("nano-t5", "nano-lm")
"""The backbones that ship with the package."""


class UnknownBackbone(LookupError):
    """A backbone cannot be loaded: nothing has its name, or its files are not whole."""

    def __init__(self, name: str, reason: object) -> None:
        first = str(reason).strip().partition("\n")[0].rstrip(".")
        super().__init__(
            f"no backbone could be loaded from {name!r} ({first}): give {' or '.join(NANO)}, a "
            "folder with config.json, model.safetensors and a tokenizer, or the name of a T5 or "
            "of a causal language model on the hub"
        )


class UnsupportedBackbone(ValueError):
    """A model is of a kind that a prompt cannot be put before, or not in the way we do."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(
            f"the backbone {name!r} {reason}: give a T5, or a causal model such as Llama, GPT-2, "
            "Mistral, Qwen, OPT or BLOOM"
        )


def load(
    name: str, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32
) -> Backbone:
    """Open "nano-t5", "nano-lm", a folder, or a T5 or causal model of the Hugging Face hub.

    Raises:
        UnknownBackbone: nothing is there, or files are missing or broken.
        UnsupportedBackbone: it is another kind of model, or computes its logits in another way.
    """
    place = _place(name)
    try:
        _, kind, tokenizer = _described(place, name)
        # No pickle, and the file's own dtype, which is what the digest is taken of.
        auto: Any = AutoModelForSeq2SeqLM if kind is EncoderDecoder else AutoModelForCausalLM
        model, report = auto.from_pretrained(
            place, use_safetensors=True, dtype="auto", output_loading_info=True
        )
    except UnsupportedBackbone:
        raise
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise UnknownBackbone(name, error) from error
    if missing := report["missing_keys"]:  # transformers would fill them with random numbers
        raise UnknownBackbone(name, f"its file lacks {min(missing)}")
    if kind is DecoderOnly and not tokenizer.is_fast:
        raise UnsupportedBackbone(name, "has a tokenizer that does not say where tokens stand")
    backbone = kind(model, tokenizer, device, dtype)
    if isinstance(backbone, DecoderOnly) and not backbone.shares_prefixes():
        raise UnsupportedBackbone(name, "reads a text otherwise in two parts than in one")
    return backbone


def ruler(name: str) -> tuple[int | None, Callable[[Sequence[str]], list[int]]]:
    """Return how many tokens a backbone reads, and what counts those of inputs; no weights.

    Raises:
        UnknownBackbone: nothing is there, or files are missing or broken.
        UnsupportedBackbone: it is another kind of model.
    """
    try:
        config, kind, tokenizer = _described(_place(name), name)
    except UnsupportedBackbone:
        raise
    except (OSError, ValueError) as error:
        raise UnknownBackbone(name, error) from error
    whole = kind is EncoderDecoder  # its end of text is the tokenizer's own
    before, after = (0, "") if whole else (len(begin_of_text(tokenizer)), ANSWER)

    def lengths(texts: Sequence[str]) -> list[int]:
        asked = [text + after for text in texts]
        rows = tokenizer(asked, add_special_tokens=whole, verbose=False)["input_ids"]
        return [before + len(row) for row in rows]

    return declared_length(tokenizer, config), lengths


def measure(name: str, dtype: torch.dtype = torch.float32) -> Size:
    """Return how large a backbone is, from its configuration alone; no weights are read.

    Raises:
        UnknownBackbone: nothing is there, or files are missing or broken.
        UnsupportedBackbone: it is another kind of model.
    """
    try:
        config = AutoConfig.from_pretrained(_place(name))
    except (OSError, ValueError) as error:
        raise UnknownBackbone(name, error) from error
    whole = _kind(config, name) is EncoderDecoder
    auto: Any = AutoModelForSeq2SeqLM if whole else AutoModelForCausalLM
    with torch.device("meta"):
        model = auto.from_config(config)
    return Size.of(config, sum(one.numel() for one in model.parameters()), dtype.itemsize)


def _place(name: str) -> str:
    return str(Path(str(files("mpt") / "nano" / name))) if name in NANO else name


def _described(place: str, name: str) -> tuple[Any, type[Backbone], Any]:
    """Return the configuration, which backbone it makes, and the tokenizer."""
    config = AutoConfig.from_pretrained(place)
    kind = _kind(config, name)
    tokenizer = AutoTokenizer.from_pretrained(place)
    if is_blank(tokenizer):
        raise UnknownBackbone(name, "it has no tokenizer")
    return config, kind, tokenizer


def _kind(config: Any, name: str) -> type[Backbone]:
    if config.is_encoder_decoder:
        if config.model_type != "t5":
            raise UnsupportedBackbone(name, f"is a {config.model_type!r} model")
        return EncoderDecoder
    if type(config) not in AutoModelForCausalLM._model_mapping:
        raise UnsupportedBackbone(name, f"is a {config.model_type!r} model")
    return DecoderOnly
