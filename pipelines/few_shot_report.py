"""The table at the end of few-shot jobs: each method over the same draws, with intervals."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from statistics import fmean

from pipelines.gain import RESAMPLES, Metric
from pipelines.outcome import FewShot, Trial
from pipelines.report import Scores, answers_of, tested, validation, version
from pipelines.services import Services
from tasks import Example

Answers = Sequence[Sequence[str]]
"""The test answers of one method, for each draw."""


@dataclass(frozen=True)
class MethodScores:
    """One method on all draws."""

    method: str
    scores: Scores
    """One for each draw, in points."""
    interval: tuple[float, float]
    """95 % of the mean: draws and test examples are both drawn anew."""
    gain: tuple[float, float]
    """95 % of the mean minus the first method's, on the same draws and examples."""
    version: str
    """The registered version of its best prompt: `name/version`, or empty."""


@dataclass(frozen=True)
class FewShotRow:
    """One task."""

    task: str
    metric: str
    shots: int
    draws: int
    n_test: int
    majority: float
    zero_shot: float
    methods: tuple[MethodScores, ...]


def few_shot_rows(found: Sequence[FewShot], svc: Services) -> tuple[FewShotRow, ...]:
    """Look up what the runs of few-shot jobs found."""
    return tuple(_row(one, svc) for one in found)


def _row(found: FewShot, svc: Services) -> FewShotRow:
    given = svc.task(found.task)
    name, metric = next(iter(given.task.metrics.items()))
    examples = given.examples("test")
    answers = {
        method: [answers_of(tested(one.tested, svc), svc) for one in trials]
        for method, trials in found.trials.items()
    }
    first, trials = next(iter(found.trials.items()))
    shots = svc.lineage.get_run(trials[0].trained).spec["draw"]["shots"]
    methods = tuple(
        MethodScores(
            method=method,
            scores=Scores(tuple(tested(one.tested, svc).value for one in trials)),
            interval=interval(answers[method], examples, metric),
            gain=interval(answers[method], examples, metric, answers[first]),
            version=_best_version(trials, svc),
        )
        for method, trials in found.trials.items()
    )
    return FewShotRow(
        task=given.task.name, metric=name, shots=shots, draws=len(trials), n_test=len(examples),
        majority=tested(found.majority, svc).value, zero_shot=tested(found.zero_shot, svc).value,
        methods=methods,
    )  # fmt: skip


def interval(
    ours: Answers, examples: Sequence[Example], metric: Metric, theirs: Answers | None = None
) -> tuple[float, float]:
    """Return the 95 % interval of the mean score of `ours`, or of its gain over `theirs`.

    Draws and examples are both drawn anew with replacement, the same ones for both sides (a paired
    bootstrap in two directions): it speaks of other draws and of other test examples.
    """
    draw = Random(0)
    means = []
    for _ in range(RESAMPLES):
        rows = [int(draw.random() * len(examples)) for _ in examples]
        draws = [int(draw.random() * len(ours)) for _ in ours]
        asked = [examples[at] for at in rows]
        sides = [ours, theirs] if theirs else [ours]
        scores = [
            fmean(metric([side[at][row] for row in rows], asked) for at in draws) for side in sides
        ]
        means.append(scores[0] - (scores[1] if theirs else 0.0))
    means.sort()
    return means[round(0.025 * RESAMPLES)], means[round(0.975 * RESAMPLES) - 1]


def _best_version(trials: Sequence[Trial], svc: Services) -> str:
    runs = [svc.lineage.get_run(one.trained) for one in trials]
    return version(max(runs, key=lambda run: validation(run).value), svc)
