"""Running flows for the command line, and what it is told of their outcomes, from lineage."""

from dataclasses import dataclass, replace
from typing import Any

from flows import display
from flows.orders import Order
from flows.publishing import publish
from flows.settings import open_services
from mpt.peft_format import Adapter
from pipelines.few_shot_report import FewShotRow, few_shot_rows
from pipelines.importing import take_in
from pipelines.outcome import Adapted, FewShots, Grouped, Learned, Transferred, Trial
from pipelines.plan import TransferSpec
from pipelines.prompts import multitask_prompt
from pipelines.records import ScoreRecord
from pipelines.report import Report, report, trial_scores, validation
from pipelines.services import Services
from pipelines.spec import ImportSpec


@dataclass(frozen=True)
class SourcePrompt:
    """One source prompt."""

    seed: int
    prompt: str
    version: str
    validation: ScoreRecord
    unregistered: str


@dataclass(frozen=True)
class Imported:
    """A prompt that was taken in."""

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
    parameters_per_task: float
    """How many numbers it has; of what a group shares, only its share is counted."""
    unregistered: str


@dataclass(frozen=True)
class TestedTogether:
    """A prompt that targets share, and each target's part of it."""

    prompt: str
    version: str
    parameters: int
    """How many numbers all targets have together."""
    targets: list[Tested]


@dataclass(frozen=True)
class FewShotReport:
    """What few-shot jobs found."""

    rows: tuple[FewShotRow, ...]
    unregistered: str


@dataclass(frozen=True)
class TransferReport:
    """What a transfer found, with the few-shot jobs beside it."""

    targets: Report
    few_shot: tuple[FewShotRow, ...]


def here(order: Order) -> Any:
    """Call the flow that is ordered, in this process; return its outcome."""
    from flows.catalogue import flow_named  # Prefect, which takes a second to import

    with display.showing(order.steps):
        return flow_named(order.flow)(**order.parameters)


def told_transfer(spec: TransferSpec, outcome: Transferred) -> TransferReport:
    """Return the tables of a transfer."""
    with open_services() as svc:
        return TransferReport(report(spec, outcome, svc), few_shot_rows(outcome.few_shot, svc))


def told_learn(spec: TransferSpec, outcome: Learned) -> list[SourcePrompt]:
    """Return what is known of source prompts, one for each seed."""
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


def told_adapt(outcome: Adapted) -> list[Tested]:
    """Return the scores of each target."""
    with open_services() as svc:
        return [_tested(trial, outcome.unregistered, svc) for trial in outcome.trials]


def told_adapt_group(outcome: Grouped) -> TestedTogether:
    """Return the scores of targets that share a prompt."""
    with open_services() as svc:
        run = svc.lineage.get_run(outcome.group)
        prompt = multitask_prompt(str(run.prompt), svc)
        tested = [_tested(trial, outcome.unregistered, svc) for trial in outcome.trials]
        share = prompt.parameters_per_task
        return TestedTogether(
            prompt=str(run.prompt),
            version=svc.lineage.version(str(run.prompt), run.task),
            parameters=prompt.num_parameters,
            targets=[replace(one, parameters_per_task=share) for one in tested],
        )


def told_few_shot(outcome: FewShots) -> FewShotReport:
    """Return the scores of few-shot jobs."""
    with open_services() as svc:
        return FewShotReport(few_shot_rows(outcome.tasks, svc), outcome.unregistered)


def _tested(trial: Trial, unregistered: str, svc: Services) -> Tested:
    run = svc.lineage.get_run(trial.trained)
    sha, (valid, test) = str(run.prompt), trial_scores(trial, svc)
    return Tested(
        task=run.task, prompt=sha, version=svc.lineage.version(sha, run.task), validation=valid,
        test=test, parameters_per_task=multitask_prompt(sha, svc).parameters_per_task,
        unregistered=unregistered,
    )  # fmt: skip


def run_import(spec: ImportSpec, adapter: Adapter) -> Imported:
    """Take in a prompt that was trained elsewhere; return what is known of it.

    Raises:
        LookupError: a task or the backbone is unknown.
        ValueError: rows are missing or wrong, or the prompt does not fit; nothing is recorded.
    """
    with display.showing(0), open_services() as svc:
        run = svc.lineage.get_run(take_in(spec, adapter, svc))
    unregistered = publish()
    with open_services() as svc:
        version = svc.lineage.version(str(run.prompt), run.task)
    return Imported(str(run.prompt), version, validation(run), unregistered)
