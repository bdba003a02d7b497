"""Turn a checkpoint of `benchmarks.pretrain` into the backbone that ships with the package.

`python -m benchmarks.export_nano nano-lm`. A card tells how its run went: another run needs other
words in it (`benchmarks/cards/`).
"""

import argparse
import json
from pathlib import Path

import torch
from tokenizers import processors
from transformers import PreTrainedTokenizerFast

from benchmarks.pretrain import RECIPES

CARDS = Path(__file__).parent / "cards"
COLUMNS = {"nano-t5": ("supervised", "copy", "span"), "nano-lm": ("runs", "books", "repeated")}
"""The kinds of rows whose losses the card shows."""


def main() -> None:
    """Write the folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", choices=RECIPES)
    parser.add_argument("--run", type=Path, help="default: benchmarks/out/MODEL")
    parser.add_argument("--to", type=Path, help="default: mpt/nano/MODEL")
    args = parser.parse_args()
    run = args.run or Path("benchmarks/out") / args.model
    to = args.to or Path("mpt/nano") / args.model
    saved = torch.load(run / "checkpoint.pt", weights_only=True, map_location="cpu")
    model = RECIPES[args.model].new_model()
    model.load_state_dict(saved["model"])
    model.to(torch.bfloat16).save_pretrained(to)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(run)
    if args.model == "nano-lm":  # every text that it has read began with </s>
        tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
            single="</s> $A", special_tokens=[("</s>", tokenizer.eos_token_id)]
        )
    tokenizer.save_pretrained(to)
    (to / "generation_config.json").unlink(missing_ok=True)
    lines = (run / "log.jsonl").read_text().splitlines()
    # A run that was stopped goes on from its last checkpoint: the later report of a step holds.
    log = list({one["step"]: one for one in map(json.loads, lines)}.values())
    weights = sum(weight.numel() for weight in model.parameters()) / 1e6
    (to / "README.md").write_text(card(args.model, log, saved["state"], weights))


def card(model: str, log: list[dict[str, float]], state: dict[str, float], weights: float) -> str:
    """Return the model card."""
    kinds = COLUMNS[model]
    shown = [*log[:: max(1, len(log) // 12)], log[-1]]
    rows = [
        f"| {one['step']:,} | " + " | ".join(_loss(one, kind) for kind in kinds) + " |"
        for one in shown
    ]
    head = f"| step | {' | '.join(kinds)} |\n|{'---|' * (len(kinds) + 1)}"
    tasks = {name: loss for name, loss in log[-1].items() if name.startswith("mini_")}
    return (CARDS / f"{model}.md").read_text().format(
        weights=weights, steps=int(state["step"]), tokens=state["tokens"] / 1e6,
        minutes=state["seconds"] / 60, curve="\n".join([head, *rows]),
        tasks=", ".join(f"{name} {loss:.3f}" for name, loss in tasks.items()),
    )  # fmt: skip


def _loss(report: dict[str, float], kind: str) -> str:
    return f"{report[kind]:.2f}" if kind in report else "–"


if __name__ == "__main__":
    main()
