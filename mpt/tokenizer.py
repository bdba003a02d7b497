"""What must be known of a backbone's tokenizer before it is trusted."""

from typing import Any

SANE_LENGTH = 1_000_000  # a tokenizer that declares no length declares 1e30


def declared_length(tokenizer: Any, config: Any) -> int | None:
    """Return the most input tokens that a backbone declares; None where it declares none."""
    if tokenizer.model_max_length < SANE_LENGTH:
        return int(tokenizer.model_max_length)
    return getattr(config, "n_positions", getattr(config, "max_position_embeddings", None))


def is_blank(tokenizer: Any) -> bool:
    """Say whether a tokenizer knows no letters.

    Where no tokenizer was saved, transformers 5 makes a T5's own with an empty vocabulary, and
    does not say so.
    """
    ids: list[int] = tokenizer("a good film", add_special_tokens=False)["input_ids"]
    return 2 * ids.count(tokenizer.unk_token_id) >= len(ids)
