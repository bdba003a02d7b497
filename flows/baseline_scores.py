"""Starting baselines from the command line: check first, show progress, look up the scores."""

from collections.abc import Sequence
from dataclasses import dataclass

from flows import display
from flows.isolation import open_for_checks
from flows.settings import open_services
from pipelines.baseline import check_baseline
from pipelines.baseline_spec import BaselineSpec
from pipelines.records import ScoreRecord
from pipelines.report import tested, validation


@dataclass(frozen=True)
class BaselineScores:
    """One baseline on one task, beside the task's commonest answer."""

    task: str
    method: str
    trained: int
    """How many numbers."""
    validation: ScoreRecord
    test: ScoreRecord
    majority: ScoreRecord
    run: str


def run_baselines(specs: Sequence[BaselineSpec]) -> list[BaselineScores]:
    """Train and test each baseline; return the scores.

    Raises:
        LookupError: a task or the backbone is unknown.
        ValueError: rows are missing or wrong, or a method does not work there; nothing is trained.
    """
    with open_for_checks() as svc:
        for spec in specs:
            check_baseline(spec, svc)
    from flows.baselines import baselines
    from flows.steps import EVALUATION

    tasks = {spec.task for spec in specs}
    with display.showing(sum(spec.steps for spec in specs) + len(tasks) * EVALUATION):
        outcome = baselines(list(specs))
    with open_services() as svc:
        majority = {task: tested(run_id, svc) for task, run_id in outcome.majority.items()}
        runs = [svc.lineage.get_run(run_id) for run_id in outcome.runs]
        return [
            BaselineScores(
                spec.task, spec.method, run.trained or 0, validation(run), tested(run.id, svc),
                majority[spec.task], run.id,
            )
            for spec, run in zip(specs, runs, strict=True)
        ]  # fmt: skip
