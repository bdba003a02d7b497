"""What is compared with PEFT, at which sizes, and what is demanded of it."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from benchmarks.peer_cpt import CptScoring, CptTraining
from benchmarks.peer_distill import T5Distillation
from benchmarks.peer_fanout import T5FanOut
from benchmarks.peer_mpt import LmTraining
from benchmarks.peer_scoring import LmScoring
from benchmarks.peer_t5 import T5Grouped, T5Mixed, T5Ranking
from benchmarks.peers import Work

CASES: Mapping[str, type[Work]] = {
    "cpt_train": CptTraining,
    "cpt_score": CptScoring,
    "lm_train": LmTraining,
    "lm_score": LmScoring,
    "mpt_t5_mixed": T5Mixed,
    "mpt_t5_grouped": T5Grouped,
    "distill": T5Distillation,
    "fanout": T5FanOut,
    "rank_t5": T5Ranking,
}


class Trial(NamedTuple):
    """One size of a case, and our largest share of a peer's time, or of its memory."""

    case: str
    context: int
    batch: int
    targets: Mapping[str, float]
    memory: float | None = None
    model: Literal["llama", "t5"] = "llama"
    layers: int = 8
    width: int = 512
    text: int = 60
    labels: int = 2
    pairs: int = 5
    processes: int = 1
    """A peer's, one for each part of the work; then memory is that of whole processes."""


def _ranked(text: int, labels: int = 2, batch: int = 16) -> Trial:
    targets = {"forward": 0.40, "generate": 0.80}
    return Trial(
        "rank_t5", 100, batch, targets, model="t5", layers=6, width=256, text=text, labels=labels
    )


TRIALS = (
    Trial("cpt_train", 64, 8, {"peft": 0.30}),
    Trial("cpt_train", 256, 1, {"peft": 0.80}),
    Trial("cpt_train", 256, 8, {"peft": 0.15}),
    Trial("cpt_train", 256, 32, {"peft": 0.07}, memory=0.10, pairs=3),
    Trial("cpt_score", 256, 16, {"forward": 0.09, "generate": 0.14}, pairs=3),
    Trial("lm_train", 100, 32, {"peft": 0.38}, pairs=3),
    Trial("lm_score", 100, 32, {"forward": 0.45}, pairs=3),
    Trial("mpt_t5_mixed", 100, 8, {"peft": 0.55}, model="t5", layers=6),
    Trial("mpt_t5_grouped", 100, 8, {"peft": 1.05}, model="t5", layers=6),
    Trial("distill", 100, 8, {"peft": 0.40}, model="t5", layers=6),
    Trial(
        "fanout", 100, 4, {"peft": 0.85}, memory=0.35, model="t5", layers=6, width=256, processes=8
    ),
    _ranked(text=25),  # SST-2
    _ranked(text=40, labels=3),  # MNLI
    _ranked(text=140),  # BoolQ
    _ranked(text=300, batch=8),  # MultiRC
)
"""The first of each case is what is run unless more is asked for."""
