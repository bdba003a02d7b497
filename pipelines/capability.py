"""What works on what: methods by families of backbones. Plain data: asking must be quick."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, get_args

BaselineMethod = Literal[
    "prompt_tuning", "prefix_tuning", "p_tuning_mlp", "p_tuning_lstm", "p_tuning_v2",
    "llama_adapter", "lora", "full",
]  # fmt: skip
Family = Literal["t5", "llama", "gpt2", "causal"]
FAMILIES: Mapping[Family, str] = {
    "t5": "T5", "llama": "Llama, Mistral", "gpt2": "GPT-2", "causal": "other causal",
}  # fmt: skip
MODEL_TYPES: Mapping[str, Family] = {
    "t5": "t5", "llama": "llama", "mistral": "llama", "gpt2": "gpt2",
}  # fmt: skip
"""Hugging Face's names of models; any other is a causal one."""


class Cell(NamedTuple):
    """A method on a family: whether it works, and why not, or with what limit."""

    works: bool
    note: str


@dataclass(frozen=True)
class Method:
    """A way to learn a task, what it has to be given, and where it works."""

    name: str
    command: str
    """Of `prompt-transfer`."""
    trains: str
    source: str
    learning_rate: float
    options: Mapping[str, int | None] = field(default_factory=dict)
    """Those of its own, and their defaults; None is what suits the backbone."""
    refused: Mapping[Family, str] = field(default_factory=dict)
    """Where it cannot work, and why."""
    limits: Mapping[Family, str] = field(default_factory=dict)
    """Where it works, but."""
    float32_only: str = ""
    """Why a backbone in bfloat16 is refused; empty where it is not."""

    @property
    def cells(self) -> dict[Family, Cell]:
        """Where it works."""
        return {
            family: Cell(False, self.refused[family])
            if family in self.refused
            else Cell(True, self.limits.get(family, ""))
            for family in FAMILIES
        }

    @property
    def cited(self) -> str:
        """Its source in brackets, if it has one."""
        return f" ({self.source})" if self.source else ""


class CannotWork(ValueError):
    """A method is asked of a backbone on which it cannot work."""

    def __init__(self, method: str, backbone: str, why: object, instead: str) -> None:
        reason = " ".join(str(why).split()).rstrip(".")
        super().__init__(f"{method} does not work on {backbone!r} ({reason}): {instead}")


PROMPT = {"prompt_length": 100}
NO_ADAPTER = "PEFT has its adapters for Llama, Mistral and GPT-2 only"
T5_PREFIX = (
    "the prefix reaches the decoder's self-attention only; of an even number of layers, PEFT gives "
    "every second one's numbers to two layers, and those between are never read"
)

OURS = (
    Method(
        "MPT", "run, learn, adapt", "one prompt for all tasks, a low-rank vector for each",
        "Wang et al. 2023", 0.3, {**PROMPT, "rank": 1},
    ),
    Method(
        "prompt tuning", "run, few-shot", "the embeddings of a prompt", "Lester et al. 2021",
        0.3, PROMPT,
    ),
    Method(
        "CPT", "few-shot", "the embeddings of a few examples, within balls", "Blau et al. 2024",
        0.01, {"shots": 4}, refused={"t5": "a context of examples needs a decoder-only backbone"},
    ),
)  # fmt: skip

BASELINES: Mapping[str, Method] = {
    one.name: one
    for one in (
        Method(
            "prompt_tuning", "baseline", "the embeddings of a prompt", "Lester et al. 2021",
            0.3, PROMPT,
        ),
        Method(
            "prefix_tuning", "baseline", "keys and values before each layer's, behind an MLP",
            "Li & Liang 2021", 5e-3, PROMPT, limits={"t5": T5_PREFIX},
        ),
        Method(
            "p_tuning_mlp", "baseline", "a prompt that an MLP makes", "Liu et al. 2021",
            1e-3, PROMPT,
        ),
        Method(
            "p_tuning_lstm", "baseline", "a prompt that an LSTM makes", "Liu et al. 2021",
            1e-3, PROMPT,
        ),
        Method(
            "p_tuning_v2", "baseline", "keys and values before each layer's", "Liu et al. 2022",
            0.05, PROMPT, limits={"t5": T5_PREFIX},
        ),
        Method(
            "llama_adapter", "baseline", "gated prompts in each layer's attention",
            "Zhang et al. 2023", 0.05, {"adapter_length": 10, "adapter_layers": None},
            refused={"t5": NO_ADAPTER, "causal": NO_ADAPTER},
            float32_only="PEFT trains its adapters in the backbone's precision",
        ),
        Method(
            "lora", "baseline", "low-rank changes of query and value", "Hu et al. 2021",
            1e-3, {"rank": 8},
        ),
        Method(
            "full", "baseline", "every weight: a ceiling", "",
            1e-4, float32_only="steps so small are lost in the rounding of its weights",
        ),
    )
}  # fmt: skip
OPTIONS = tuple(dict.fromkeys(name for one in BASELINES.values() for name in one.options))
METHODS: tuple[BaselineMethod, ...] = get_args(BaselineMethod)


def family_of(model_type: str) -> Family:
    """Return the family of a model, by what Hugging Face calls its kind."""
    return MODEL_TYPES.get(model_type, "causal")


def check_method(name: BaselineMethod, backbone: str, model_type: str, precision: str) -> None:
    """See that the table has nothing against a method.

    Args:
        name: the baseline.
        backbone: the backbone's name, to tell.
        model_type: what Hugging Face calls its kind.
        precision: the one that it runs in.

    Raises:
        CannotWork: it has.
    """
    family, method = family_of(model_type), BASELINES[name]
    cell = method.cells[family]
    if not cell.works:
        others = [one.name for one in BASELINES.values() if one.cells[family].works]
        raise CannotWork(name, backbone, cell.note, f"use one of {', '.join(others)}")
    if precision != "float32" and method.float32_only:
        raise CannotWork(name, f"{backbone} in {precision}", method.float32_only, "give float32")
