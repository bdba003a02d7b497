"""The table at the end of a transfer: MPT beside its baselines, with n, seeds and an interval."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from pipelines.gain import gain_interval
from pipelines.outcome import Target, Transferred, Trial
from pipelines.plan import TransferSpec
from pipelines.records import RunRecord, ScoreRecord
from pipelines.services import Services

FLAT = 1.0  # points that the last half of a validation curve may still gain and count as flat


@dataclass(frozen=True)
class Scores:
    """One method's test scores, one for each seed, in points."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean over seeds."""
        return fmean(self.values)

    @property
    def deviation(self) -> float:
        """The standard deviation over seeds; 0 for one seed."""
        return stdev(self.values) if len(self.values) > 1 else 0.0


@dataclass(frozen=True)
class Row:
    """One target of a transfer."""

    task: str
    family: str
    metric: str
    n_train: int
    n_test: int
    majority: float
    zero_shot: float
    scratch: Scores
    adapted: Scores
    gain: tuple[float, float]
    """95 % interval of adapted minus scratch: paired bootstrap over the test examples."""
    flat: int
    """For how many seeds the baseline's validation curve had become flat."""
    version: str
    """The registered version of the best adapted prompt: `name/version`, or empty."""


@dataclass(frozen=True)
class Report:
    """All targets, and the source prompt that they came from."""

    seeds: int
    rows: tuple[Row, ...]
    source_digest: str
    source_version: str
    source_score: float
    truncated: int
    warnings: tuple[str, ...]
    unregistered: str


def report(spec: TransferSpec, outcome: Transferred, svc: Services) -> Report:
    """Look up what the runs of `outcome` found."""
    learned = [svc.lineage.get_run(run_id) for run_id in outcome.learned]
    best = max(learned, key=lambda run: validation(run).value)
    rows = tuple(_row(spec, target, svc) for target in outcome.targets)
    trained = [
        svc.lineage.get_run(trial.trained)
        for target in outcome.targets
        for trial in (*target.scratch, *target.adapted)
    ]
    said = dict.fromkeys(text for run in (*learned, *trained) for text in run.warnings)
    return Report(
        seeds=len(spec.seeds),
        rows=rows,
        source_digest=str(best.prompt),
        source_version=version(best, svc),
        source_score=validation(best).value,
        truncated=sum(run.truncated for run in (*learned, *trained)),
        warnings=tuple(said),
        unregistered=outcome.unregistered,
    )


def is_flat(curve: Sequence[tuple[int, float]]) -> bool:
    """Say whether the second half of a validation curve gained next to nothing on the first."""
    half = len(curve) // 2
    if half == 0:
        return False  # one point is no curve
    return max(score for _, score in curve[half:]) - max(s for _, s in curve[:half]) <= FLAT


def _row(spec: TransferSpec, target: Target, svc: Services) -> Row:
    given = svc.task(target.task)
    metric, measure = next(iter(given.task.metrics.items()))
    adapted = [tested(trial.tested, svc) for trial in target.adapted]
    scratch = [tested(trial.tested, svc) for trial in target.scratch]
    curves = [svc.lineage.get_run(trial.trained).curve for trial in target.scratch]
    best = max(
        (svc.lineage.get_run(trial.trained) for trial in target.adapted),
        key=lambda run: validation(run).value,
    )
    return Row(
        task=given.task.name,
        family=given.task.family,
        metric=metric,
        n_train=len(given.examples("train", spec.adapt.train_rows)),
        n_test=adapted[0].n,
        majority=tested(target.majority, svc).value,
        zero_shot=tested(target.zero_shot, svc).value,
        scratch=Scores(tuple(one.value for one in scratch)),
        adapted=Scores(tuple(one.value for one in adapted)),
        gain=gain_interval(
            [answers_of(one, svc) for one in adapted],
            [answers_of(one, svc) for one in scratch],
            given.examples("test"),
            measure,
        ),
        flat=sum(is_flat(curve) for curve in curves),
        version=version(best, svc),
    )


def trial_scores(trial: Trial, svc: Services) -> tuple[ScoreRecord, ScoreRecord]:
    """Return the validation and the test score of one adapted prompt."""
    return validation(svc.lineage.get_run(trial.trained)), tested(trial.tested, svc)


def tested(run_id: str, svc: Services) -> ScoreRecord:
    """Return the test score that an evaluation, or a baseline, reports."""
    score = svc.lineage.get_run(run_id).primary("test")
    assert score is not None, "it has a primary test score"
    return score


def validation(run: RunRecord) -> ScoreRecord:
    """Return the score that a training run's prompt was kept for."""
    score = run.primary("validation")
    assert score is not None, "a training has a primary validation score"
    return score


def answers_of(score: ScoreRecord, svc: Services) -> list[str]:
    """Return the answers that were scored, one for each example."""
    answers: list[str] = json.loads(svc.store.get(str(score.predictions_sha)))
    return answers


def version(run: RunRecord, svc: Services) -> str:
    """Return the registered version of the prompt that a run made, or nothing."""
    return svc.lineage.version(str(run.prompt), run.task)
