"""What a baseline is asked for: the budget of any training, and a method of PEFT's."""

from typing import Any

from pydantic import model_validator

from pipelines.capability import BASELINES, OPTIONS, BaselineMethod
from pipelines.spec import Budget, Count, Positive, StageSpec


class BaselineSpec(StageSpec, Budget):
    """Train one baseline on one task, and test it.

    What is left out is the method's default; `prompt-transfer methods` prints those.
    """

    task: str
    method: BaselineMethod
    learning_rate: Positive
    prompt_length: Count | None = None
    """Tokens of a prompt or a prefix."""
    adapter_length: Count | None = None
    """LLaMA-Adapter's tokens in each layer."""
    adapter_layers: Count | None = None
    """LLaMA-Adapter's layers, from the top; None is all."""
    rank: Count | None = None
    """LoRA's; it is scaled by 2."""
    test_rows: Count | None = None
    """The first so many test rows; None is all."""

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, given: Any) -> Any:
        """Fill in the method's defaults; refuse what it does not have."""
        method = BASELINES.get(str(given.get("method"))) if isinstance(given, dict) else None
        if method is None:
            return given
        for name in OPTIONS:
            if given.get(name) is not None and name not in method.options:
                its = ", ".join(method.options) or "none"
                raise ValueError(f"{method.name} has no {name}; its options: {its}")
        return {"learning_rate": method.learning_rate, **method.options, **given}

    @property
    def options(self) -> dict[str, int | None]:
        """What the method is given, by name."""
        return {name: getattr(self, name) for name in BASELINES[self.method].options}
