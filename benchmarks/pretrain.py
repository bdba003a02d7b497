"""Pretrain a nano backbone: `python -m benchmarks.pretrain --corpus DIR --minutes 60`.

Hours on a CPU and minutes on a GPU, by the same script. The learning rate follows the clock, so
the run ends when it was told to. It resumes from its last checkpoint. The recipe and why Adafactor:
T5 does not divide its attention scores by sqrt(d), so steps must be in proportion to a weight's
own size, or the softmax saturates within a hundred steps and no gradient passes.
"""

import argparse
import json
import math
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from transformers import Adafactor, PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

from benchmarks.mixture import Mixture
from benchmarks.pretraining_rows import SupervisedRows, snippets, tokenise_books, train_tokenizer
from mpt.stacks import fuse_gelu_

PEAK = 7e-3
HOLD = 0.8  # share of the time at the peak, then linear to 2 %


def new_model() -> T5ForConditionalGeneration:
    """Return an untrained T5 of 10M weights."""
    config = T5Config(
        vocab_size=8192, d_model=256, d_kv=64, d_ff=768, num_layers=4, num_decoder_layers=4,
        num_heads=4, feed_forward_proj="gated-gelu", tie_word_embeddings=True, dropout_rate=0.0,
        decoder_start_token_id=0, pad_token_id=0, eos_token_id=1, n_positions=512,
    )  # fmt: skip
    return T5ForConditionalGeneration(config)


def has_bfloat16(device: str) -> bool:
    """Return whether matrices multiply faster in bfloat16 on `device`."""
    return device == "cuda" or torch.cpu._is_amx_tile_supported()


def row_losses(model: T5ForConditionalGeneration, inputs: Tensor, labels: Tensor) -> Tensor:
    """Return each row's mean cross-entropy over its target tokens, [B], in nats."""
    logits = model(input_ids=inputs, attention_mask=inputs != 0, labels=labels).logits
    losses = torch.nn.functional.cross_entropy(
        logits.float().transpose(1, 2), labels, ignore_index=-100, reduction="none"
    )
    kept = labels != -100
    return (losses * kept).sum(1) / kept.sum(1)


def learning_rate(done: float) -> float:
    """Return the learning rate when the share `done` of the time has passed."""
    warm = min(1.0, done / 0.01)
    left = min(1.0, (1 - done) / (1 - HOLD))
    return PEAK * warm * max(0.02, left)


def train(
    folder: Path,
    corpus: Path,
    minutes: float,
    *,
    device: str,
    scale: int,
    begin: Path | None,
    fused: bool,
) -> None:
    """Train until `minutes` have passed in all, over restarts too."""
    if not (folder / "tokenizer.json").exists():
        tokenizer = (
            PreTrainedTokenizerFast.from_pretrained(begin) if begin else train_tokenizer(corpus)
        )
        tokenizer.save_pretrained(folder)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    tokens = tokenise_books(tokenizer, corpus, "train_*", folder / "books.npy")
    torch.manual_seed(0)
    model = new_model() if begin is None else T5ForConditionalGeneration.from_pretrained(begin)
    model = model.to(device, torch.float32)
    if fused:
        model.set_attn_implementation("eager")  # compiled, it is faster than the fused kernel
    fuse_gelu_(model)
    optimizer = Adafactor(
        model.parameters(), lr=PEAK, scale_parameter=True, relative_step=False,
        warmup_init=False, clip_threshold=1.0,
    )  # fmt: skip
    last = folder / "checkpoint.pt"
    state = {"step": 0, "seconds": 0.0, "tokens": 0}
    if last.exists():
        saved = torch.load(last, weights_only=True, map_location=device)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        state = saved["state"]
    mixture = Mixture(
        tokenizer, tokens, SupervisedRows(state["step"], snippets(corpus)),
        np.random.default_rng(state["step"]), scale,
    )  # fmt: skip
    losses_of = torch.compile(row_losses, dynamic=True) if fused else row_losses
    before, started = state["seconds"], time.monotonic()
    log: dict[str, list[float]] = defaultdict(list)
    while (seconds := before + time.monotonic() - started) < minutes * 60:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(seconds / (minutes * 60))
        optimizer.zero_grad()
        for part in mixture.step(int(state["step"])):
            with torch.autocast(device, torch.bfloat16, enabled=has_bfloat16(device)):
                losses = losses_of(model, part.inputs.to(device), part.labels.to(device))
            (losses.mean() * part.weight).backward()
            state["tokens"] += int((part.inputs != 0).sum() + (part.labels != -100).sum())
            names = [part.kind] * len(part.names) + part.names
            for name, loss in zip(names, losses.tolist() * 2, strict=True):
                log[name].append(loss)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        state["step"] += 1
        if state["step"] % 50 == 0:
            report(folder, state, seconds, log)
        if state["step"] % 100 == 0:
            save(last, model, optimizer, {**state, "seconds": seconds})
    save(last, model, optimizer, {**state, "seconds": seconds})


def save(path: Path, model: torch.nn.Module, optimizer: Adafactor, state: dict[str, float]) -> None:
    """Write a checkpoint; a kill in the middle leaves the last one."""
    parts = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "state": state}
    torch.save(parts, path.with_suffix(".new"))
    path.with_suffix(".new").replace(path)


def report(
    folder: Path, state: dict[str, float], seconds: float, log: dict[str, list[float]]
) -> None:
    """Append the mean loss of each kind since the last report; they hide in one mean."""
    means = {name: round(float(np.mean(losses)), 3) for name, losses in sorted(log.items())}
    log.clear()
    line = json.dumps({"step": state["step"], "minutes": round(seconds / 60, 1),
                       "tokens": state["tokens"], **means})  # fmt: skip
    with (folder / "log.jsonl").open("a") as file:
        file.write(line + "\n")
    print(line, flush=True)
    if not math.isfinite(sum(means.values())):
        raise SystemExit("the loss is not finite any more")


def main() -> None:
    """Read the command line, and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, required=True, help="folder of train_*.txt.xz")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/out/nano-t5"))
    parser.add_argument("--begin", type=Path, help="an exported backbone to go on from")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--scale", type=int, default=1, help="times the rows of a CPU batch")
    parser.add_argument("--compile", action="store_true", help="1.5 times as fast, after minutes")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    train(
        args.out, args.corpus, args.minutes,
        device=args.device, scale=args.scale, begin=args.begin, fused=args.compile,
    )  # fmt: skip


if __name__ == "__main__":
    main()
