"""How an example reads for a decoder-only backbone: `input answer: label`, and a new line."""

from collections.abc import Callable, Sequence
from typing import Any

ANSWER = " answer:"
"""Stands between an input and its label; the label comes after a space, which is the label's."""
END = "\n"
"""Ends an example."""


class MergedLabel(ValueError):
    """A tokenizer makes one token of a label and of what stands beside it."""

    def __init__(self, text: str, label: str) -> None:
        super().__init__(
            f"the tokenizer merges the label {label.strip()!r} with its format in {text!r}: its "
            "tokens cannot be told apart; use other label words, or another backbone"
        )


def continuation(
    tokens: Callable[[Sequence[str]], list[list[int]]], before: str, texts: Sequence[str]
) -> list[list[int]]:
    """Return the token ids that each of `texts` has when it stands after `before`.

    Some tokenizers write a word otherwise at the beginning of a text.

    Raises:
        MergedLabel: a token belongs to both.
    """
    distinct = list(dict.fromkeys(texts))
    start, *whole = tokens([before, *(before + text for text in distinct)])
    found = {}
    for text, ids in zip(distinct, whole, strict=True):
        if ids[: len(start)] != start or len(ids) == len(start):
            raise MergedLabel(before + text, text)
        found[text] = ids[len(start) :]
    return [found[text] for text in texts]


def begin_of_text(tokenizer: Any) -> list[int]:
    """Return the special tokens that a tokenizer puts before a text, such as <s>."""
    plain = tokenizer("a", add_special_tokens=False)["input_ids"]
    whole: list[int] = tokenizer("a")["input_ids"]
    at = next(i for i in range(len(whole)) if whole[i : i + len(plain)] == plain)
    return whole[:at]
