"""Prompts as PEFT's adapter files, and back. The bytes of a prompt are a PEFT checkpoint.

Shapes are those of mpt.prompt. PEFT reads them with `PeftModel.from_pretrained`; of its own
adapters, those with one prompt before the input (num_transformer_submodules=1) fit. One of CPT
comes back as a plain prompt: PEFT does not keep what the context was before it moved.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from mpt.backbone import Architecture
from mpt.context_format import PREFIX, context_prompt, cpt_config, tensors_of
from mpt.cpt import ContextPrompt
from mpt.prompt import MultitaskPrompt, Prompt, SoftPrompt

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
SHARED, COLUMNS, ROWS = "prompt_embeddings", "prefix_task_cols", "prefix_task_rows"

PEFT_TYPES = ("PROMPT_TUNING", "MULTITASK_PROMPT_TUNING", "CPT")

AdapterConfig = dict[str, object]
AnyPrompt = SoftPrompt | MultitaskPrompt | ContextPrompt
TASK_TYPES: dict[Architecture, str] = {
    "encoder-decoder": "SEQ_2_SEQ_LM",
    "decoder-only": "CAUSAL_LM",
}


class BadPrompt(ValueError):
    """Bytes or a folder are not a prompt."""

    def __init__(self, problem: object) -> None:
        super().__init__(
            f"not a prompt: {problem}; a prompt file holds {SHARED!r} [P, H], for several tasks "
            f"{COLUMNS!r} [K, P, R] and {ROWS!r} [K, R, H] too, and for a context {PREFIX}*"
        )


def to_tensors(prompt: Prompt) -> dict[str, Tensor]:
    """Return the tensors of a prompt under PEFT's names, on the CPU, what is trained as float32."""
    if isinstance(prompt, MultitaskPrompt):
        tensors = {
            SHARED: prompt.shared,
            COLUMNS: torch.stack(list(prompt.u)),
            ROWS: torch.stack(list(prompt.v)),
        }
    else:
        tensors = {SHARED: prompt.task(0)}
    if isinstance(prompt, ContextPrompt):
        tensors |= tensors_of(prompt)
    tensors = {n: t.detach().cpu().contiguous() for n, t in tensors.items()}
    return {n: t.float() if t.is_floating_point() else t for n, t in tensors.items()}


def from_tensors(tensors: Mapping[str, Tensor]) -> AnyPrompt:
    """Rebuild a prompt, in float32.

    Raises:
        BadPrompt: a name, a shape or a dtype is wrong, or a number is not finite.
    """
    context = {name: tensor for name, tensor in tensors.items() if name.startswith(PREFIX)}
    if context:
        return _context(tensors, context)
    if set(tensors) not in ({SHARED}, {SHARED, COLUMNS, ROWS}):
        raise BadPrompt(f"it holds {sorted(tensors) or 'nothing'}")
    for name, tensor in tensors.items():
        if not tensor.is_floating_point():
            raise BadPrompt(f"{name!r} is {tensor.dtype}, not floating point")
        if not tensor.isfinite().all():
            raise BadPrompt(f"{name!r} has numbers that are not finite")
    values = {name: tensor.float() for name, tensor in tensors.items()}
    _check_shapes({name: list(tensor.shape) for name, tensor in values.items()})
    if set(values) == {SHARED}:
        return SoftPrompt(values[SHARED])
    return MultitaskPrompt(values[SHARED], list(values[COLUMNS]), list(values[ROWS]))


def _context(tensors: Mapping[str, Tensor], context: Mapping[str, Tensor]) -> ContextPrompt:
    try:
        prompt = context_prompt(context)
    except (ValueError, LookupError) as error:
        raise BadPrompt(error) from error
    if SHARED not in tensors or not torch.equal(tensors[SHARED], prompt.task(0)):
        raise BadPrompt(f"its {SHARED!r} are not the context and its move")
    if not tensors[SHARED].isfinite().all():
        raise BadPrompt(f"{SHARED!r} has numbers that are not finite")
    return prompt


def _check_shapes(shapes: dict[str, list[int]]) -> None:
    shared = shapes[SHARED]
    fits = len(shared) == 2 and 0 not in shared
    if fits and COLUMNS in shapes:
        columns, rows = shapes[COLUMNS], shapes[ROWS]
        fits = len(columns) == 3 and 0 not in columns and columns[1] == shared[0]
        fits = fits and rows == [columns[0], columns[2], shared[1]]
    if not fits:
        raise BadPrompt(f"its tensors have the shapes {shapes}")


def pack(prompt: Prompt) -> bytes:
    """Return the bytes of PEFT's adapter_model.safetensors; equal prompts have equal bytes."""
    return save(to_tensors(prompt), {"format": "pt"})


def unpack(data: bytes) -> AnyPrompt:
    """Return the prompt that `pack`, or PEFT, made these bytes of.

    Raises:
        BadPrompt: they are not a prompt's.
    """
    try:
        tensors = load(data)
    except SafetensorError as error:
        raise BadPrompt(f"these bytes are not a safetensors file ({error})") from error
    return from_tensors(tensors)


def fuse(prompt: Prompt, k: int) -> SoftPrompt:
    """Return task `k`'s prompt as a vanilla one: the same answers, for servers that know no tasks.

    Raises:
        IndexError: the prompt has no task `k`.
    """
    return SoftPrompt(prompt.task(k))


class Described(Protocol):
    """What PEFT wants to know of a backbone: itself, or what is recorded of it."""

    @property
    def num_layers(self) -> int:
        """Of one stack."""

    @property
    def num_heads(self) -> int:
        """Of one layer."""

    @property
    def architecture(self) -> Architecture:
        """Its kind."""


def adapter_config(prompt: Prompt, backbone: Described, backbone_name: str) -> AdapterConfig:
    """Return what PEFT's adapter_config.json says about a prompt.

    PEFT reads the file that `prompt_tuning_init` names even for inference, so none is named.
    """
    length, hidden = prompt.task(0).shape
    config: AdapterConfig = {
        "base_model_name_or_path": backbone_name,
        "inference_mode": True,
        "num_attention_heads": backbone.num_heads,
        "num_layers": backbone.num_layers,
        "num_transformer_submodules": 1,
        "num_virtual_tokens": length,
        "peft_type": "PROMPT_TUNING",
        "prompt_tuning_init": "RANDOM",
        "task_type": TASK_TYPES[backbone.architecture],
        "token_dim": hidden,
    }
    if isinstance(prompt, MultitaskPrompt):
        config |= {
            "num_ranks": prompt.rank,
            "num_tasks": prompt.num_tasks,
            "peft_type": "MULTITASK_PROMPT_TUNING",
            "prompt_tuning_init_state_dict_path": None,
        }
    if isinstance(prompt, ContextPrompt) and not len(prompt.front):
        del config["prompt_tuning_init"]
        config |= cpt_config(prompt)
    return config


def export(prompt: Prompt, folder: Path, backbone: Described, backbone_name: str) -> AdapterConfig:
    """Write `folder` for `PeftModel.from_pretrained`; return its configuration.

    The folder is made if it is not there.
    """
    config = adapter_config(prompt, backbone, backbone_name)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / WEIGHTS).write_bytes(pack(prompt))
    (folder / CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    return config


class Adapter(NamedTuple):
    """A prompt of an adapter's folder, and what it says of its backbone."""

    prompt: AnyPrompt
    backbone: str | None  # its name or folder
    architecture: Architecture


def read(folder: Path) -> Adapter:
    """Return what is in an adapter's folder, ours or one that PEFT saved.

    A file that PEFT would start from (prompt_tuning_init_state_dict_path) is not needed: what the
    adapter learned is in the folder.

    Raises:
        BadPrompt: files are missing, or it is no prompt on the model's input alone.
    """
    try:
        config = json.loads((folder / CONFIG).read_text())
        data = (folder / WEIGHTS).read_bytes()
    except (OSError, ValueError) as error:
        raise BadPrompt(f"the folder {folder.name!r} is no adapter ({error})") from error
    kinds = {name: architecture for architecture, name in TASK_TYPES.items()}
    if not isinstance(config, dict) or config.get("peft_type") not in PEFT_TYPES:
        kind = config.get("peft_type") if isinstance(config, dict) else None
        raise BadPrompt(f"{folder.name!r} is of PEFT's type {kind}, not {', '.join(PEFT_TYPES)}")
    if config.get("task_type") not in kinds:
        raise BadPrompt(f"{CONFIG!r} of {folder.name!r} names no task_type of {', '.join(kinds)}")
    if config.get("num_transformer_submodules") != 1:
        raise BadPrompt(
            "half of it stands before the decoder (num_transformer_submodules is not 1)"
        )
    return Adapter(unpack(data), config.get("base_model_name_or_path"), kinds[config["task_type"]])
