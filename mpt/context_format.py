"""A context prompt's file: what PEFT reads of it, and beside it what it was and how it moved."""

from collections.abc import Mapping

import torch
from torch import Tensor

from mpt.context import Context, Role
from mpt.cpt import ContextPrompt

PREFIX = "context."
PARTS = ("ids", "roles", "examples", "embeddings", "radii", "front", "delta")


def tensors_of(prompt: ContextPrompt) -> dict[str, Tensor]:
    """Return all that a context prompt consists of, under names of our own."""
    return {f"{PREFIX}{name}": getattr(prompt, name) for name in PARTS}


def context_prompt(tensors: Mapping[str, Tensor]) -> ContextPrompt:
    """Return the prompt whose `tensors_of` these are.

    Raises:
        ValueError: their shapes do not fit; the message says which.
    """
    parts = {name: tensors[f"{PREFIX}{name}"] for name in PARTS}
    shapes = {name: list(tensor.shape) for name, tensor in parts.items()}
    length, hidden = (*shapes["embeddings"], 0, 0)[:2]
    fits = all(shapes[name] == [length] for name in ("ids", "roles", "examples", "radii"))
    if not fits or shapes["delta"] != [length, hidden] or shapes["front"][1:] != [hidden]:
        raise ValueError(f"its context has the shapes {shapes}")
    context = Context(parts["ids"], parts["roles"], parts["examples"])
    prompt = ContextPrompt(context, parts["embeddings"], parts["radii"], parts["front"])
    with torch.no_grad():
        prompt.delta.copy_(parts["delta"])
    return prompt


def cpt_config(prompt: ContextPrompt) -> dict[str, object]:
    """Return what PEFT's adapter_config.json says of a context without a prompt in front."""
    roles, examples = prompt.roles, prompt.examples
    types = torch.where(roles > Role.NONE, 4 * examples + roles, 0)
    scale = (prompt.embeddings.shape[1] / 2048) ** -0.5  # a radius is ε times sqrt(H / 2048)
    return {
        "peft_type": "CPT",
        "cpt_token_ids": prompt.ids.tolist(),
        "cpt_mask": [1] * len(prompt.ids),
        "cpt_tokens_type_mask": types.tolist(),
        "opt_weighted_loss_type": "decay",
        "opt_projection_epsilon": _radius(prompt, Role.INPUT) * scale,
        "opt_projection_format_epsilon": _radius(prompt, Role.OUTPUT_FORMAT) * scale,
    }


def _radius(prompt: ContextPrompt, role: Role) -> float:
    found = prompt.radii[prompt.roles == role]
    return float(found[0]) if len(found) else 0.0
