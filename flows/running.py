"""Starting flows from the command line: check first, show progress, look up the result."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from flows import display
from flows.isolation import open_for_checks
from flows.publishing import publish
from flows.queries import source_for, source_prompt
from flows.settings import open_services
from mpt.peft_format import Adapter
from pipelines.check import check, check_few_shot
from pipelines.few_shot_report import FewShotRow, few_shot_rows
from pipelines.group_spec import GroupSpec
from pipelines.importing import take_in
from pipelines.outcome import Trial
from pipelines.plan import FewShotPlan, TransferSpec
from pipelines.prompts import multitask_prompt
from pipelines.records import ScoreRecord
from pipelines.report import Report, report, trial_scores, validation
from pipelines.services import Services
from pipelines.spec import AdaptSpec, ImportSpec


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


def run_transfer(spec: TransferSpec) -> TransferReport:
    """Run a whole transfer; return its tables."""
    with open_for_checks() as svc:
        check(spec, svc)
    from flows.transfer import transfer  # Prefect, which takes a second to import

    with display.showing(_steps(spec)):
        outcome = transfer(spec)
    with open_services() as svc:
        return TransferReport(report(spec, outcome, svc), few_shot_rows(outcome.few_shot, svc))


def run_learn(spec: TransferSpec) -> list[SourcePrompt]:
    """Train teachers and source prompts; return what is known of them, one for each seed."""
    with open_for_checks() as svc:
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
    with open_for_checks() as svc:
        source = source_for(specs, named, svc)
    from flows.steps import EVALUATION
    from flows.transfer import adapt_target

    with display.showing(sum(spec.steps + EVALUATION for spec in specs)):
        outcome = adapt_target(list(specs), source)
    with open_services() as svc:
        return [_tested(trial, outcome.unregistered, svc) for trial in outcome.trials]


def run_adapt_group(spec: GroupSpec, named: str) -> TestedTogether:
    """Adapt the source prompt that a person named to several tasks together; return the scores.

    Raises:
        LookupError: a task or the prompt is unknown.
        ValueError: rows are missing or wrong, or the prompt does not fit; nothing is trained.
    """
    with open_for_checks() as svc:
        source = source_for([spec], named, svc)
    from flows.steps import EVALUATION
    from flows.transfer import adapt_group

    with display.showing(spec.steps + len(spec.tasks) * EVALUATION):
        outcome = adapt_group(spec, source)
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


def run_few_shot(plan: FewShotPlan, named: str | None) -> FewShotReport:
    """Learn each task of `plan` from a few examples, in every way; return the scores.

    Args:
        plan: the jobs.
        named: a source prompt to stand before the contexts too, as a person names it, or none.

    Raises:
        LookupError: a task, the backbone or the prompt is unknown.
        ValueError: the examples, labels or lengths do not suit the backbone; nothing is trained.
    """
    with open_for_checks() as svc:
        front = None
        if named:
            backbone = svc.backbone(plan.backbone, plan.precision)
            front = source_prompt(named, backbone.digest, svc.lineage)
        check_few_shot(plan, front, svc)
    from flows.few_shot import few_shot

    with display.showing(_few_shot_steps(plan, 2 if front else 1)):
        outcome = few_shot(plan, front)
    with open_services() as svc:
        return FewShotReport(few_shot_rows(outcome.tasks, svc), outcome.unregistered)


def _few_shot_steps(plan: FewShotPlan, moved: int) -> int:
    from flows.steps import EVALUATION

    tests = (moved + 2) * EVALUATION  # and those of in-context learning and of prompt tuning
    trial = plan.tuning.steps + moved * plan.context.steps + tests
    return len(plan.tasks) * (plan.draws * trial + 2 * EVALUATION)


def _source_steps(spec: TransferSpec) -> int:
    return len(spec.seeds) * (len(spec.sources) * spec.teach.steps + spec.learn.steps)


def _steps(spec: TransferSpec) -> int:
    from flows.steps import EVALUATION

    trial = 2 * (spec.adapt.steps + EVALUATION)
    targets = len(spec.targets) * (len(spec.seeds) * trial + 2 * EVALUATION)
    few_shot = _few_shot_steps(spec.few_shot, 1) if spec.few_shot else 0
    return _source_steps(spec) + targets + few_shot
