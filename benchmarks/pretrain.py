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
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from transformers import Adafactor, PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

from benchmarks.pretraining_rows import (
    SENTINELS,
    SupervisedRows,
    corrupt_spans,
    hide_some,
    tokenise_books,
    train_tokenizer,
)

PEAK = 7e-3
HOLD = 0.84  # share of the time at the peak, then linear to 2 %
# An answer is one or two tokens with a small loss: unweighted, the books' gradient drowns it.
WEIGHTS = {"supervised": 0.7, "copy": 0.15, "span": 0.15}


@dataclass
class Mixture:
    """Draws one homogeneous batch for each kind of row: no padding between the kinds."""

    tokenizer: PreTrainedTokenizerFast
    tokens: np.ndarray
    supervised: SupervisedRows
    rng: np.random.Generator
    scale: int = 1
    sizes: dict[str, int] = field(default_factory=lambda: {"supervised": 64, "copy": 10, "span": 2})

    def __post_init__(self) -> None:
        self._sentinels = self.tokenizer.convert_tokens_to_ids(SENTINELS)

    def draw(self, kind: str) -> tuple[Tensor, Tensor, list[str]]:
        """Return inputs [B, T], labels [B, S] (-100 at padding) and each row's name."""
        count = self.sizes[kind] * self.scale
        if kind == "supervised":
            rows = [self.supervised.draw() for _ in range(count)]
            inputs = self.tokenizer([row.input for row in rows], truncation=True, max_length=128)
            answers = self.tokenizer([row.answer for row in rows])
            return (
                pad(inputs["input_ids"], 0),
                pad(answers["input_ids"], -100),
                [r.name for r in rows],
            )
        pairs = [self._window(kind) for _ in range(count)]
        inputs = pad([[*one, 1] for one, _ in pairs], 0)
        return inputs, pad([[*other, 1] for _, other in pairs], -100), [kind] * count

    def _window(self, kind: str) -> tuple[list[int], list[int]]:
        # Short windows to copy are what the decoder first learns to read its encoder by.
        width = int(self.rng.integers(3, 25)) if kind == "copy" else 128
        start = int(self.rng.integers(len(self.tokens) - width))
        window = np.asarray(self.tokens[start : start + width], dtype=np.int64)
        if kind == "copy":
            return hide_some(window, self.rng, self._sentinels[0])
        return corrupt_spans(window, self.rng, self._sentinels)


def pad(rows: list[list[int]], value: int) -> Tensor:
    """Return `rows` as one tensor [B, longest]."""
    width = max(map(len, rows))
    return torch.tensor([row + [value] * (width - len(row)) for row in rows])


def new_model() -> T5ForConditionalGeneration:
    """Return an untrained T5 of 10M weights."""
    config = T5Config(
        vocab_size=8192, d_model=256, d_kv=64, d_ff=768, num_layers=4, num_decoder_layers=4,
        num_heads=4, feed_forward_proj="gated-gelu", tie_word_embeddings=True, dropout_rate=0.0,
        decoder_start_token_id=0, pad_token_id=0, eos_token_id=1, n_positions=512,
    )  # fmt: skip
    return T5ForConditionalGeneration(config)


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
    fall = 1.0 if done < HOLD else max(0.02, 1 - 0.98 * (done - HOLD) / (1 - HOLD))
    return PEAK * warm * fall


def train(
    folder: Path, corpus: Path, minutes: float, *, device: str, scale: int, begin: Path | None
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
        tokenizer, tokens, SupervisedRows(state["step"]),
        np.random.default_rng(state["step"]), scale,
    )  # fmt: skip
    before, started = state["seconds"], time.monotonic()
    log: dict[str, list[float]] = defaultdict(list)
    while (seconds := before + time.monotonic() - started) < minutes * 60:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(seconds / (minutes * 60))
        optimizer.zero_grad()
        for kind in mixture.sizes:
            inputs, labels, names = mixture.draw(kind)
            with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
                losses = row_losses(model, inputs.to(device), labels.to(device))
            (losses.mean() * WEIGHTS[kind]).backward()
            state["tokens"] += inputs.numel() + labels.numel()
            for name, loss in zip([kind] * len(names) + names, losses.tolist() * 2, strict=True):
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
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    train(
        args.out, args.corpus, args.minutes,
        device=args.device, scale=args.scale, begin=args.begin,
    )  # fmt: skip


if __name__ == "__main__":
    main()
