"""The identity of a backbone: what it computes, not where it lies or who wrote the file."""

import hashlib
import json
from typing import Any

import torch
from torch import nn

# What the arithmetic of a T5 depends on. A list of names and not the whole configuration, which
# also says by which version it was written, from which folder, and in which dtype it was loaded.
ARCHITECTURE = (
    "model_type",
    "vocab_size",
    "d_model",
    "d_kv",
    "d_ff",
    "num_layers",
    "num_decoder_layers",
    "num_heads",
    "relative_attention_num_buckets",
    "relative_attention_max_distance",
    "layer_norm_epsilon",
    "dense_act_fn",
    "is_gated_act",
    "scale_decoder_outputs",
    "decoder_start_token_id",
    "pad_token_id",
    "eos_token_id",
)
# Other models have too many names to list. What they change of their class's defaults says the
# same, without these, which do not enter the arithmetic, or only name where and how it was saved.
NOT_ARITHMETIC = {
    "_name_or_path", "architectures", "attn_implementation", "dtype", "torch_dtype",
    "transformers_version", "use_cache", "output_attentions", "output_hidden_states",
    "bos_token_id", "eos_token_id", "pad_token_id", "pretraining_tp", "return_dict",
    "initializer_range", "attention_dropout", "resid_pdrop", "embd_pdrop", "attn_pdrop",
    "dropout", "hidden_dropout", "activation_dropout", "layerdrop", "task_specific_params",
    "summary_type", "summary_use_proj", "summary_activation", "summary_proj_to_labels",
    "summary_first_dropout",
}  # fmt: skip
# The tokenizer's working state and the format of its file: neither changes how a text is cut.
VOLATILE = ("version", "truncation", "padding")


def fingerprint(model: nn.Module, config: Any, tokenizer: Any) -> str:
    """Return the SHA-256, 64 hex digits, of a model's architecture, weights and tokenizer.

    The weights are taken in the dtype that `model` has: call it before any conversion, so that
    one checkpoint has one identity whatever precision it is run in. Tied weights count once.
    """
    digest = hashlib.sha256()
    digest.update(json.dumps(_architecture(config), sort_keys=True).encode())
    backend = json.loads(tokenizer.backend_tokenizer.to_str())
    rules = {name: value for name, value in backend.items() if name not in VOLATILE}
    digest.update(json.dumps(rules, sort_keys=True).encode())
    for name, weight in sorted(model.named_parameters()):
        digest.update(f"{name} {weight.dtype} {list(weight.shape)}".encode())
        digest.update(weight.detach().cpu().contiguous().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _architecture(config: Any) -> dict[str, Any]:
    if config.model_type == "t5":
        return {name: getattr(config, name, None) for name in ARCHITECTURE}
    changed = {k: v for k, v in config.to_diff_dict().items() if k not in NOT_ARITHMETIC}
    return changed | {"model_type": config.model_type}
