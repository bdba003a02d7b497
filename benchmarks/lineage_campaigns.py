"""What teams leave in lineage over a year: campaigns whose prompts start from those before them.

A campaign trains on one backbone, in rounds. In the first it has a teacher for each source task. In
each round it distils several source prompts from its teachers and adapts them to its source tasks
and to others; those are the teachers of the next round. So eight rounds are sixteen generations.
Campaigns run side by side. A third of all adaptations to other tasks is for the same one.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from random import Random
from typing import NamedTuple

from benchmarks.lineage_rows import Book, Model, Run
from pipelines.records import MULTITASK

MODELS = (  # name, hidden size, layers, parameters, whether it is decoder-only, share of campaigns
    ("google-t5/t5-base", 768, 12, 222_903_552, False, 45),
    ("google-t5/t5-large", 1024, 24, 737_668_096, False, 20),
    ("meta-llama/Llama-3.2-1B", 2048, 16, 1_235_814_400, True, 20),
    ("nano-t5", 256, 6, 10_485_760, False, 10),
    ("google-t5/t5-3b", 1024, 24, 2_851_598_336, False, 4.9),
    ("models/rare", 512, 8, 60_506_624, True, 0.1),
)
SOURCES, TARGETS = 40, 160  # tasks
BIG, EASY, SMALL = "target000", "target001", "target120"
"""The task of a third of all targets; one that every prompt solves; one of few prompts."""
SHARE = 0.36
PER_ROUND = 6  # source prompts
OTHERS = 13  # adaptations to other than source tasks
EXAMS = 12  # evaluations
TOKENS = 100
FRESH = 0.5  # chance that a task gets a new teacher in a later round
ROUNDS = (30, 20, 14, 10, 8, 8, 6, 4)  # how many of 100 campaigns have 1, 2, ... rounds
SIDE_BY_SIDE, RUNS_EACH = 40, 500  # campaigns, of a large lineage; one more for so many runs
RENEWED = 10_000  # runs after which a task has new rows
SHOTS = (4, 8, 16, 32, 64)
RARE_SHOTS, FEW = 128, 1e-4  # of a draw; how many of 1 do it


class Made(NamedTuple):
    """A prompt that others may start from."""

    sha: str
    task: str
    value: float


class Task:
    """A task, with the rows that it has now."""

    def __init__(self, name: str, book: Book) -> None:
        self.name, self.book = name, book
        self.easy = name == EASY
        self.rows = book.random.choice((2_490, 9_427, 67_349, 392_702))
        self.metrics = ("accuracy", "f1") if book.random.random() < 0.3 else ("accuracy",)
        self.level = book.random.uniform(55, 85)
        self.template = book.template(name)
        self.uses = 0
        self._renew()

    def _renew(self) -> None:
        rows = {"train": self.rows, "validation": 500, "test": 1_000}
        self.of = {
            split: self.book.dataset(self.name, split, many, self.template, "hub")
            for split, many in rows.items()
        }
        self._drawn: dict[tuple[int, int], str] = {}

    def trained(self, random: Random) -> list[tuple[str, str]]:
        """Return what one training reads: everything, or a few rows."""
        self.uses += 1
        if self.uses % RENEWED == 0:
            self._renew()
        return [("train", self.of["train"]), ("validation", self.of["validation"])]

    def few(self, shots: int, seed: int) -> list[tuple[str, str]]:
        """Return what a training on a few rows reads."""
        if (shots, seed) not in self._drawn:
            whole = self.of["train"]
            few = self.book.drawn(whole, self.name, self.template, shots, seed)
            self._drawn[shots, seed] = few
        return [("train", self._drawn[shots, seed]), ("validation", self.of["validation"])]

    def value(self, better: float, rows: int) -> float:
        """Return a score in points, as so many rows allow."""
        if self.easy:
            return 100.0
        drawn = self.book.random.gauss(self.level + better, 3.0)
        return round(min(max(drawn, 1.0), 99.0) * rows / 100) * 100 / rows


class Team:
    """All campaigns, which have tasks and backbones in common."""

    def __init__(self, book: Book, sources: float, runs: int) -> None:
        self.book, self.sources = book, sources
        self.side_by_side = min(SIDE_BY_SIDE, 1 + runs // RUNS_EACH)
        self.models = [book.model(*one[:5]) for one in MODELS]
        self.tasks = {
            name: Task(name, book)
            for kind, many in (("source", SOURCES), ("target", TARGETS))
            for name in (f"{kind}{place:03}" for place in range(many))
        }
        names = [name for name in self.tasks if name.startswith("target")]
        rest = [1 / place for place in range(1, len(names))]
        self._targets = names, [SHARE, *((1 - SHARE) * one / sum(rest) for one in rest)]
        self._means: dict[tuple[str, ...], str] = {}

    def target(self) -> Task:
        """Draw a task to adapt to."""
        return self.tasks[self.book.random.choices(*self._targets)[0]]

    def mean(self, tasks: Sequence[Task]) -> str:
        """Return the dataset of a mean score over tasks."""
        key = tuple(one.of["validation"] for one in tasks)
        if key not in self._means:
            rows = 500 * len(tasks)
            self._means[key] = self.book.dataset(MULTITASK, "validation", rows, None, "combined")
        return self._means[key]

    def runs(self) -> Iterator[None]:
        """Add one run after another, for ever; campaigns run side by side."""
        under_way = [self._campaign() for _ in range(self.side_by_side)]
        while True:
            at = self.book.random.randrange(self.side_by_side)
            try:
                yield next(under_way[at])
            except StopIteration:
                under_way[at] = self._campaign()

    def _campaign(self) -> Iterator[None]:
        random = self.book.random
        model = random.choices(self.models, [one[-1] for one in MODELS])[0]
        names = [f"source{place:03}" for place in range(SOURCES)]
        many = max(2, round(random.gauss(self.sources, 1.5)))
        tasks = [self.tasks[name] for name in sorted(random.sample(names, many))]
        rounds = random.choices(range(1, len(ROUNDS) + 1), ROUNDS)[0]
        campaign = Campaign(self, model, tasks)
        for number in range(rounds):
            yield from campaign.round(number)


class Campaign:
    """One campaign: what its next round starts from."""

    def __init__(self, team: Team, model: Model, tasks: list[Task]) -> None:
        self.team, self.book, self.model, self.tasks = team, team.book, model, tasks
        self.random = team.book.random
        self.teachers: defaultdict[str, list[Made]] = defaultdict(list)

    def round(self, number: int) -> Iterator[None]:
        """Add the runs of a round."""
        for task in self.tasks:
            if number == 0 or self.random.random() < FRESH:
                self.teachers[task.name].append(self._teach(task, number))
                yield
        sources = []
        for _ in range(PER_ROUND):
            sources.append(self._learn(number))
            yield
        targets = []
        for task in [*self.tasks, *(self.team.target() for _ in range(OTHERS))]:
            targets.append(self._adapt(task, self.random.choice(sources), number))
            yield
        yield from self._beside(sources, targets, number)
        self.teachers.clear()
        for made in targets[: len(self.tasks)]:
            self.teachers[made.task].append(made)

    def _beside(self, sources: list[Made], targets: list[Made], number: int) -> Iterator[None]:
        for made in self.random.choices(targets, k=EXAMS):
            self._evaluate(made)
            yield
        for _ in range(9 if self.model.causal else 0):
            self._few_shot(self.team.target(), self.random.choice(sources), number)
            yield
        yield self._baseline(self.team.target())
        if self.random.random() < 0.7:
            yield from self._failure(self.random.choice(sources), number)
        if self.random.random() < 0.2:
            yield self._export(self.random.choice(targets))

    def _teach(self, task: Task, number: int) -> Made:
        trained = TOKENS * self.model.hidden
        run = self._run("teach", task, task.trained(self.random), [], trained=trained)
        return self._made(run, "teacher", task, -2.0 + number / 4)

    def _learn(self, number: int) -> Made:
        chosen = [self.random.choice(self.teachers[task.name]) for task in self.tasks]
        data = [one for task in self.tasks for one in task.trained(self.random)]
        names = [task.name for task in self.tasks]
        trained = TOKENS * self.model.hidden + len(names) * (TOKENS + self.model.hidden)
        reads = [("teacher", one.sha) for one in chosen]
        spec = _spec(tasks=names, steps=1_000, distillation={"weight": 0.9, "temperature": 2.0})
        run = self.book.run(
            "learn", MULTITASK, self.model, spec, steps=1_000, data=data, reads=reads,
            trained=trained,
        )  # fmt: skip
        values = [task.value(number / 4, 500) for task in self.tasks]
        mean = sum(values) / len(values)
        sha = self.book.prompt(run, "source", names, TOKENS, mean)
        on = (self.team.mean(self.tasks), "validation")
        of_mean = {"rows": 500 * len(names), "metrics": ("mean",)}
        self.book.score(run, sha, *on, value=mean, **of_mean)
        self.book.score(run, None, *on, value=51.0, method="majority", primary=False, **of_mean)
        for task, value in zip(self.tasks, values, strict=True):
            self._validate(run, sha, task, value, primary=False)
        return Made(sha, MULTITASK, mean)

    def _adapt(self, task: Task, source: Made, number: int) -> Made:
        draw, data = None, task.trained(self.random)
        if self.random.random() < 0.2 and task not in self.tasks:
            draw, data = self._draw(task)
        frozen = self.random.random() < FEW  # then only its two vectors are trained
        trained = TOKENS + self.model.hidden + (0 if frozen else TOKENS * self.model.hidden)
        run = self._run("adapt", task, data, [("source", source.sha)], draw=draw, trained=trained)
        return self._made(run, "target", task, number / 4, [task.name])

    def _few_shot(self, task: Task, front: Made, number: int) -> None:
        draw, data = self._draw(task)
        reads = [("front", front.sha)] if self.random.random() < 0.5 else []
        trained = draw["shots"] * 40 * self.model.hidden
        run = self._run("few_shot", task, data, reads, steps=30, draw=draw, trained=trained)
        self._made(run, "context", task, -4.0)

    def _draw(self, task: Task) -> tuple[dict[str, int], list[tuple[str, str]]]:
        rare = self.random.random() < FEW
        shots = RARE_SHOTS if rare else self.random.choice(SHOTS)
        seed = self.random.randrange(10)
        return {"shots": shots, "seed": seed}, task.few(shots, seed)

    def _run(
        self, stage: str, task: Task, data: list[tuple[str, str]], reads: list[tuple[str, str]], *,
        steps: int = 300, draw: dict[str, int] | None = None, trained: int,
    ) -> Run:  # fmt: skip
        seed = self.random.randrange(5)
        spec = _spec(task=task.name, steps=steps, seed=seed, draw=draw)
        return self.book.run(
            stage, task.name, self.model, spec, steps=steps, seed=seed, data=data, reads=reads,
            trained=trained,
        )  # fmt: skip

    def _made(
        self, run: Run, kind: str, task: Task, better: float, tasks: Sequence[str] = ()
    ) -> Made:
        value = task.value(better, 500)
        sha = self.book.prompt(run, kind, tasks, TOKENS, value)
        self._validate(run, sha, task, value)
        return Made(sha, task.name, value)

    def _validate(self, run: Run, sha: str, task: Task, value: float, primary: bool = True) -> None:
        on, of = (task.of["validation"], "validation"), {"rows": 500, "metrics": task.metrics}
        self.book.score(run, sha, *on, value=value, primary=primary, **of)
        self.book.score(run, None, *on, value=50.2, method="majority", primary=False, **of)

    def _evaluate(self, made: Made) -> None:
        task = self.team.tasks[made.task]
        spec, test = _spec(task=made.task, method="prompt"), task.of["test"]
        run = self.book.run(
            "evaluate", made.task, self.model, spec, data=[("test", test)],
            reads=[("evaluated", made.sha)],
        )  # fmt: skip
        value = task.value(made.value - task.level - 1, 1_000)
        of = {"rows": 1_000, "metrics": task.metrics}
        self.book.score(run, made.sha, test, "test", value=value, **of)

    def _baseline(self, task: Task) -> None:
        data = [*task.trained(self.random), ("test", task.of["test"])]
        run = self._run("baseline", task, data, [], trained=1_000_000)
        for split, rows in (("validation", 500), ("test", 1_000)):
            scored = {"rows": rows, "value": task.value(0, rows), "method": "lora"}
            self.book.score(run, None, task.of[split], split, **scored)

    def _failure(self, source: Made, number: int) -> Iterator[None]:
        """Add a run that failed or was abandoned, and mostly the next attempt at it."""
        task, request = self.team.target(), self.book.sha()
        spec = _spec(task=task.name, steps=300, seed=9)
        asked = {"steps": 300, "seed": 9, "data": task.trained(self.random)}
        asked["reads"] = [("source", source.sha)]
        status = self.random.choice(("failed", "failed", "abandoned"))
        self.book.run(
            "adapt", task.name, self.model, spec, **asked, status=status, request=(request, 1)
        )
        yield
        if self.random.random() < 0.8:
            run = self.book.run(
                "adapt", task.name, self.model, spec, **asked, request=(request, 2), trained=900
            )
            self._made(run, "target", task, number / 4, [task.name])
            yield

    def _export(self, made: Made) -> None:
        spec = json.dumps({"prompt": made.sha, "tasks": [made.task]})
        reads = [("exported", made.sha)]
        run = self.book.run("export", made.task, self.model, spec, reads=reads)
        adapter = self.book.sha()
        self.book.add("artifact", adapter, "adapter", run.ended)
        self.book.add("edge", adapter, made.sha, "exported_as", run.id)


def _spec(**own: object) -> str:
    """Return a recipe as long as real ones are."""
    return json.dumps(
        {
            "backbone": "google-t5/t5-base", "precision": "bfloat16", "seed": 0, "batch_size": 32,
            "weight_decay": 1e-05, "warmup": 0.1, "clip": 1.0, "validations": 4, "patience": None,
            "train_rows": None, "validation_rows": 500, "max_length": None, "learning_rate": 0.3,
            "factor_learning_rate": 0.4, "start": "average", "freeze_shared": False, "draw": None,
        }
        | own
    )  # fmt: skip
