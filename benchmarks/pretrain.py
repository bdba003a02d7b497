"""Pretrain a nano backbone: `python -m benchmarks.pretrain nano-lm --corpus DIR --minutes 60`.

Hours on a CPU and minutes on a GPU, by the same script. The learning rate follows the clock, so
the run ends when it was told to. It resumes from its last checkpoint. Under `torchrun
--nproc-per-node 2 -m benchmarks.pretrain ...` each process takes rows of its own.
"""

import argparse
import json
import math
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import distributed
from transformers import PreTrainedTokenizerFast

from benchmarks.nano_lm import NanoLM
from benchmarks.nano_t5 import NanoT5
from benchmarks.pretraining_rows import tokenise_books, train_tokenizer
from benchmarks.recipe import Optimizers, Part, Recipe

HOLD = 0.55  # share of the time at the peak rate, then linear to 2 %
RECIPES = {recipe.name: recipe for recipe in (NanoT5(), NanoLM())}


def has_bfloat16(device: str) -> bool:
    """Return whether matrices multiply faster in bfloat16 on `device`."""
    return device == "cuda" or (
        torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    )


def rate(done: float) -> float:
    """Return the factor on the learning rate when the share `done` of the time has passed."""
    warm = min(1.0, done / 0.01)
    left = min(1.0, (1 - done) / (1 - HOLD))
    return warm * max(0.02, left)


def prepare(folder: Path, corpus: Path, begin: Path | None) -> tuple[Any, np.ndarray]:
    """Return the tokenizer of `begin`, or a new one, and all tokens of the books, [N]."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "tokenizer.json").exists():
        tokenizer = (
            PreTrainedTokenizerFast.from_pretrained(begin) if begin else train_tokenizer(corpus)
        )
        tokenizer.save_pretrained(folder)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    return tokenizer, tokenise_books(tokenizer, corpus, "train_*", folder / "books.npy")


class Pretraining:
    """One run of pretraining: model, optimizers, and how far it is."""

    def __init__(self, recipe: Recipe, folder: Path, device: str, begin: Path | None) -> None:
        torch.manual_seed(0)
        self.recipe, self.folder, self.device = recipe, folder, device
        self.model = recipe.new_model()
        if begin:
            self.model.load_state_dict(type(self.model).from_pretrained(begin).state_dict())
        self.model = self.model.to(device, torch.float32)
        self.optimizers: Optimizers = recipe.optimizers(self.model)
        self.state = {"step": 0, "seconds": 0.0, "tokens": 0}
        self.log: dict[str, list[float]] = defaultdict(list)
        if self._last.exists():
            saved = torch.load(self._last, weights_only=True, map_location=device)
            self.model.load_state_dict(saved["model"])
            for (optimizer, _), old in zip(self.optimizers, saved["optimizers"], strict=True):
                optimizer.load_state_dict(old)
            self.state = saved["state"]

    @property
    def _last(self) -> Path:
        return self.folder / "checkpoint.pt"

    def step(self, parts: list[Part], losses_of: Any, done: float) -> None:
        """Take one step; `done` is the share of the time that has passed."""
        for optimizer, peak in self.optimizers:
            optimizer.zero_grad()
            for group in optimizer.param_groups:
                group["lr"] = peak * rate(done)
        for part in parts:
            tensors = [tensor.to(self.device) for tensor in part.tensors]
            with torch.autocast(self.device, torch.bfloat16, enabled=has_bfloat16(self.device)):
                loss, shown = losses_of(self.model, *tensors)
            (loss * part.weight).backward()
            self.state["tokens"] += int((part.tensors[0] != 0).sum()) * workers()
            for name, nats in zip([part.kind] * len(part.names) + part.names,
                                  shown.tolist() * 2, strict=True):  # fmt: skip
                self.log[name].append(nats)
        self._gather_gradients()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer, _ in self.optimizers:
            optimizer.step()
        self.state["step"] += 1

    def _gather_gradients(self) -> None:
        if workers() == 1:
            return
        gradients = [weight.grad for weight in self.model.parameters()]
        flat = torch.cat([one.flatten() for one in gradients]) / workers()
        distributed.all_reduce(flat)
        for one, mean in zip(
            gradients, flat.split([one.numel() for one in gradients]), strict=True
        ):
            one.copy_(mean.view_as(one))

    def save(self) -> None:
        """Write a checkpoint; a kill in the middle leaves the last one."""
        parts = {
            "model": self.model.state_dict(), "state": self.state,
            "optimizers": [optimizer.state_dict() for optimizer, _ in self.optimizers],
        }  # fmt: skip
        torch.save(parts, self._last.with_suffix(".new"))
        self._last.with_suffix(".new").replace(self._last)

    def report(self) -> None:
        """Append the mean loss of each kind since the last report; they hide in one mean."""
        means = {name: round(float(np.mean(some)), 3) for name, some in sorted(self.log.items())}
        self.log.clear()
        minutes = round(self.state["seconds"] / 60, 1)
        line = json.dumps({"step": self.state["step"], "minutes": minutes,
                           "tokens": self.state["tokens"], **means})  # fmt: skip
        with (self.folder / "log.jsonl").open("a") as file:
            file.write(line + "\n")
        print(line, flush=True)
        if not math.isfinite(sum(means.values())):
            raise SystemExit("the loss is not finite any more")


def workers() -> int:
    """Return how many processes train together."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def train(args: argparse.Namespace) -> None:
    """Train until `args.minutes` have passed in all, over restarts too."""
    recipe, me = RECIPES[args.model], 0
    if distributed.is_torchelastic_launched():
        distributed.init_process_group("nccl" if args.device == "cuda" else "gloo")
        me = distributed.get_rank()
    folder = args.out or Path("benchmarks/out") / recipe.name
    tokenizer, tokens = prepare(folder, args.corpus, args.tokenizer or args.begin)
    run = Pretraining(recipe, folder, args.device, args.begin)
    if args.compile:
        run.model.set_attn_implementation("eager")  # compiled, it is faster than the fused kernel
    losses_of = torch.compile(recipe.losses, dynamic=True) if args.compile else recipe.losses
    seed = int(run.state["step"]) * 1000 + me
    before, started = run.state["seconds"], time.monotonic()
    for parts in recipe.parts(tokenizer, tokens, args.corpus, seed, args.scale):
        done = torch.tensor(run.state["seconds"] / (args.minutes * 60))
        if workers() > 1:
            distributed.broadcast(done, 0)  # one clock for all
        if done >= 1:
            break
        run.step(parts, losses_of, float(done))
        run.state["seconds"] = before + time.monotonic() - started
        if me == 0 and run.state["step"] % 25 == 0:
            run.report()
        if me == 0 and run.state["step"] % 100 == 0:
            run.save()
    if me == 0:
        run.save()


def main() -> None:
    """Read the command line, and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", choices=RECIPES)
    parser.add_argument("--corpus", type=Path, required=True, help="folder of train_*.txt.xz")
    parser.add_argument("--out", type=Path, help="default: benchmarks/out/MODEL")
    parser.add_argument("--begin", type=Path, help="an exported backbone to go on from")
    parser.add_argument("--tokenizer", type=Path, help="an exported backbone to take it from")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--scale", type=int, default=1, help="times the rows of a CPU's step")
    parser.add_argument("--compile", action="store_true", help="1.5 times as fast, after minutes")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    train(parser.parse_args())


if __name__ == "__main__":
    main()
