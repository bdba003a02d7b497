"""Lineage as plain rows, a table at a time: what `pipelines.rows` writes of a run, for millions."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any, NamedTuple

from pipelines.edges import EDGE_OF
from pipelines.indexes import MODELS
from pipelines.rows import ANCESTORS

FIRST = datetime(2025, 1, 1)  # UTC; as SQLite keeps it, without a zone
PACE = 20.0  # seconds between the beginnings of two runs, at the mean
COLUMNS = {
    table.name: [one.name for one in table.columns if one.name != "id" or table.name == "run"]
    for table in MODELS.sorted_tables
}
"""Of each table, a table after those that it points to; numbers that count rows are left out."""

ENVIRONMENT = (
    '{"device": "NVIDIA A100-SXM4-80GB", "threads": 8, "precision": "bfloat16", "versions": '
    '{"prompt-transfer": "0.1.0", "torch": "2.13.0", "transformers": "5.2.0"}, '
    '"git_commit": "a4907e5d0c3b1f6f2a9a8f1f6f0f1d3b0e5c7a21"}'
)


class Model(NamedTuple):
    """A backbone."""

    sha: str
    name: str
    hidden: int
    causal: bool


class Run(NamedTuple):
    """A run that has begun, and when it will have ended."""

    id: str
    task: str
    model: Model
    reads: Sequence[tuple[str, str]]
    ended: str
    steps: int


class Book:
    """Rows that are still to be loaded, and what there is so far."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.rows: dict[str, list[tuple[Any, ...]]] = {name: [] for name in COLUMNS}
        self.count: Counter[str] = Counter()
        self.champions: dict[str, tuple[float, str, str]] = {}
        self.now = FIRST
        self._versions: Counter[str] = Counter()
        self._answers: dict[tuple[str, str], str] = {}

    def sha(self) -> str:
        """Return a new digest."""
        return self.random.randbytes(32).hex()

    def add(self, table: str, *values: Any) -> None:
        """Add a row; the values are those of COLUMNS."""
        self.count[table] += 1
        self.rows[table].append(values)

    def taken(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return the rows so far, and begin anew."""
        taken, self.rows = self.rows, {name: [] for name in COLUMNS}
        return taken

    def model(self, name: str, hidden: int, layers: int, parameters: int, causal: bool) -> Model:
        """Add a backbone."""
        one = Model(self.sha(), name, hidden, causal)
        family = "decoder-only" if causal else "encoder-decoder"
        self.add(
            "backbone", one.sha, name, hidden, layers, hidden // 64, parameters, family, self.at()
        )
        return one

    def template(self, task: str) -> str:
        """Add how a task is read."""
        sha = self.sha()
        how = {"input": f"{task} sentence: {{sentence}}", "labels": ["negative", "positive"]}
        self.add("template", sha, task, json.dumps(how), self.at())
        return sha

    def dataset(self, task: str, split: str, rows: int, template: str | None, origin: str) -> str:
        """Add a split's rows."""
        sha = self.sha()
        self.add("dataset", sha, task, split, origin, "5cd1b3a", rows, self.at(), template)
        return sha

    def drawn(self, of: str, task: str, template: str, shots: int, seed: int) -> str:
        """Add a few rows that were drawn from a dataset."""
        sha = self.dataset(task, "train", shots, template, "drawn from hub")
        self.add("draw", of, seed, shots, False, sha)
        return sha

    def at(self, seconds: float = 0.0) -> str:
        """Return the present moment, or a later one, as both databases read it."""
        return (self.now + timedelta(seconds=seconds)).isoformat(" ", "microseconds")

    def run(
        self, stage: str, task: str, model: Model, spec: str, *, steps: int = 0, seed: int = 0,
        data: Iterable[tuple[str, str]] = (), reads: Sequence[tuple[str, str]] = (),
        status: str = "completed", request: tuple[str, int] | None = None, trained: int = 0,
    ) -> Run:  # fmt: skip
        """Add a run, with what it read; `request` is a digest and the attempt at it.

        Args:
            stage: which stage.
            task: what it is filed under.
            model: the backbone.
            spec: its recipe, as JSON.
            steps: of its training.
            seed: of its training.
            data: (role, digest) of each dataset.
            reads: (role, digest) of each prompt.
            status: how it is now.
            request: digest and attempt; None is a new one.
            trained: how many numbers.
        """
        self.now += timedelta(seconds=self.random.expovariate(1 / PACE))
        seconds, run_id = 5.0 + steps * 0.2, self.random.randbytes(16).hex()
        done = status == "completed"
        began, ended = self.at(), self.at(seconds)
        sha, attempt = request or (self.sha(), 1)
        losses = self.sha() if done and steps else None
        if losses:
            self.add("artifact", losses, "losses", ended)
        curve = [[steps * at // 4, round(60 + at + self.random.random(), 1)] for at in range(1, 5)]
        self.add(
            "run", run_id, stage, status, sha, attempt, spec, seed, task, model.sha, ENVIRONMENT,
            began, ended, None if done else "OutOfMemoryError: CUDA out of memory", 0, "[]",
            str(curve if losses else []), losses, (trained or None) if done else None, ended,
            seconds, steps or None, 32 if steps else None, steps if losses else None, None,
        )  # fmt: skip
        for role, one in data:
            self.add("run_dataset", run_id, one, role)
        for role, one in reads:
            self.add("run_prompt", run_id, one, role)
        return Run(run_id, task, model, reads, ended, steps)

    def prompt(self, run: Run, kind: str, tasks: Sequence[str], tokens: int, value: float) -> str:
        """Add the prompt that a run made, with its edges, its place in the registry and outbox."""
        sha = self.sha()
        self.add("artifact", sha, "prompt", run.ended)
        listed = str(list(tasks)).replace("'", '"')
        self.add(
            "prompt", sha, kind, run.task, listed, run.model.sha, tokens, run.model.hidden,
            1 if tasks else None, tokens * run.model.hidden * 4 + 300, run.ended,
        )  # fmt: skip
        self.add("run_prompt", run.id, sha, "made")
        for role, parent in run.reads:
            if role in ANCESTORS:
                self.add("edge", sha, parent, EDGE_OF[role], run.id)
        self._register(run, sha, value)
        return sha

    def _register(self, run: Run, sha: str, value: float) -> None:
        slug = run.model.name.rpartition("/")[2].lower()
        name = f"softprompt.{slug}-{run.model.sha[:8]}.{run.task}"
        waits = self.random.random() < 0.01  # MLflow was not told of it yet
        version = None
        if not waits:
            self._versions[name] += 1
            version = self._versions[name]
            mine = (value, sha, run.task)
            self.champions[name] = max(self.champions.get(name, mine), mine)
        told = None if waits else run.ended
        self.add(
            "registration", sha, run.task, run.id, name, run.ended, version, told, "candidate", None
        )
        self.add("outbox", "registry", "prompt", sha, 1, run.ended, told, 0, None)
        self.add("outbox", "gate", "prompt", sha, 1, run.ended, told, 0, None)

    def score(
        self, run: Run, prompt: str | None, dataset: str, split: str, *, rows: int, value: float,
        method: str = "prompt", metrics: Sequence[str] = ("accuracy",), primary: bool = True,
    ) -> None:  # fmt: skip
        """Add what each of `metrics` said of a run's answers; the first one is primary, or none."""
        answers = self._kept(run, "predictions", dataset if method == "majority" else None)
        right = self._kept(run, "references", dataset)
        if prompt and metrics[0] != "mean":
            self.add("edge", answers, prompt, EDGE_OF["evaluated"], run.id)
        for place, metric in enumerate(metrics):
            told = value if place == 0 else round(value * 0.98, 3)
            wide = 196 * (max(told, 1) / 100 * max(100 - told, 1) / 100 / rows) ** 0.5
            kept = (None, None) if metric == "mean" else (answers, right)
            self.add(
                "score", run.id, run.task, prompt, dataset, split, method, metric, told, rows,
                primary and place == 0, *kept, round(max(told - wide, 0), 4),
                round(min(told + wide, 100), 4),
            )  # fmt: skip

    def _kept(self, run: Run, kind: str, of: str | None) -> str:
        """Return what the store has of an answer; what is always the same is there once."""
        if of and (kind, of) in self._answers:
            return self._answers[kind, of]
        sha = self.sha()
        self.add("artifact", sha, kind, run.ended)
        if of:
            self._answers[kind, of] = sha
        return sha

    def crown(self) -> list[tuple[str, str]]:
        """Add the moves that made the best prompt of each name champion; return (digest, task)."""
        for name, (_, sha, task) in self.champions.items():
            self.add("promotion", self.at(), sha, task, "promoted", None, '{"gain": 1.2}', None)
            self.add("outbox", "registry", "champion", name, 1, self.at(), self.at(), 0, None)
        return [(sha, task) for _, sha, task in self.champions.values()]
