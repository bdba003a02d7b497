"""Starting flows from the command line: check first, show progress, look up the result."""

from collections.abc import Sequence
from dataclasses import dataclass

from flows import display
from flows.queries import source_for
from flows.settings import open_services
from pipelines.check import check
from pipelines.records import ScoreRecord
from pipelines.report import Report, report, trial_scores, validation
from pipelines.spec import AdaptSpec, TransferSpec


@dataclass(frozen=True)
class SourcePrompt:
    """One source prompt."""

    seed: int
    prompt: str
    version: str
    validation: ScoreRecord
    unregistered: str


@dataclass(frozen=True)
class Tested:
    """One adapted prompt."""

    task: str
    prompt: str
    version: str
    validation: ScoreRecord
    test: ScoreRecord
    unregistered: str


def run_transfer(spec: TransferSpec) -> Report:
    """Run a whole transfer; return its table."""
    with open_services() as svc:
        check(spec, svc)
    from flows.transfer import transfer  # Prefect, which takes a second to import

    with display.showing(_steps(spec)):
        outcome = transfer(spec)
    with open_services() as svc:
        return report(spec, outcome, svc)


def run_learn(spec: TransferSpec) -> list[SourcePrompt]:
    """Train teachers and source prompts; return what is known of them, one for each seed."""
    with open_services() as svc:
        check(spec, svc)
    from flows.transfer import learn_source

    with display.showing(_source_steps(spec)):
        outcome = learn_source(spec)
    learned = []
    with open_services() as svc:
        for seed, run_id in zip(spec.seeds, outcome.runs, strict=True):
            run = svc.lineage.get_run(run_id)
            version = svc.lineage.version(str(run.prompt), run.task)
            score = validation(run)
            learned.append(
                SourcePrompt(seed, str(run.prompt), version, score, outcome.unregistered)
            )
    return learned


def run_adapt(specs: Sequence[AdaptSpec], named: str) -> list[Tested]:
    """Adapt the source prompt that a person named to each task; return the scores.

    Raises:
        LookupError: a task or the prompt is unknown.
        ValueError: rows are missing or wrong, or the prompt does not fit; nothing is trained.
    """
    with open_services() as svc:
        source = source_for(specs, named, svc)
    from flows.steps import EVALUATION
    from flows.transfer import adapt_target

    with display.showing(sum(spec.steps + EVALUATION for spec in specs)):
        outcome = adapt_target(list(specs), source)
    tested = []
    with open_services() as svc:
        for spec, trial in zip(specs, outcome.trials, strict=True):
            run = svc.lineage.get_run(trial.trained)
            version = svc.lineage.version(str(run.prompt), run.task)
            scores = trial_scores(trial, svc)
            tested.append(
                Tested(spec.task, str(run.prompt), version, *scores, outcome.unregistered)
            )
    return tested


def _source_steps(spec: TransferSpec) -> int:
    return len(spec.seeds) * (len(spec.sources) * spec.teach.steps + spec.learn.steps)


def _steps(spec: TransferSpec) -> int:
    from flows.steps import EVALUATION

    trial = 2 * (spec.adapt.steps + EVALUATION)
    targets = len(spec.targets) * (len(spec.seeds) * trial + 2 * EVALUATION)
    return _source_steps(spec) + targets
