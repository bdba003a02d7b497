"""Few-shot jobs: for each draw of each task, CPT beside its controls on the same examples."""

from functools import partial
from typing import NamedTuple

import prefect

from flows.jobs import FLOW, Jobs, finish, later, tested
from flows.line import FEW_SHOT
from flows.outcomes import left_behind
from flows.planned import Planned
from flows.steps import check_few_shot_step, evaluate_step, few_shot_step, teach_step
from pipelines.outcome import FewShot, FewShots
from pipelines.plan import FewShotPlan

IN_CONTEXT, TUNING, CPT, FRONTED = "in-context learning", "prompt tuning", "CPT", "source + CPT"


class Drawn(NamedTuple):
    """All jobs of one task."""

    plain: tuple[Planned, Planned]
    jobs: dict[str, list[Jobs]]

    @property
    def all(self) -> list[Planned]:
        """All jobs, in their order."""
        trials = [future for jobs in self.jobs.values() for job in jobs for future in job]
        return [*trials, *self.plain]

    def result(self, task: str) -> FewShot:
        """Return the ids of all runs."""
        trials = {method: [job.result() for job in jobs] for method, jobs in self.jobs.items()}
        majority, zero_shot = (one.result() for one in self.plain)
        return FewShot(task=task, majority=majority, zero_shot=zero_shot, trials=trials)


@prefect.flow(flow_run_name="few-shot", **FLOW)
@left_behind
def few_shot(plan: FewShotPlan, front: str | None) -> FewShots:
    """Learn each task of `plan` from each of its draws, in every way, and test it.

    Args:
        plan: the jobs.
        front: digest of a prompt to stand before the contexts too, or none.

    Raises:
        JobsFailed: after every job has ended, if any of them failed.
    """
    check_few_shot_step(plan, front)
    jobs = drawn(plan, front)
    unregistered = finish({task: one.all for task, one in jobs.items()}, "tasks")
    found = [one.result(task) for task, one in jobs.items()]
    return FewShots(tasks=found, unregistered=unregistered)


def drawn(plan: FewShotPlan, front: str | None) -> dict[str, Drawn]:
    """Plan all jobs, by task."""
    return {task: _drawn(plan, task, front) for task in plan.tasks}


def _drawn(plan: FewShotPlan, task: str, front: str | None) -> Drawn:
    scores = [plan.evaluate_spec(task, number, "prompt") for number in range(plan.draws)]
    trainings = _trainings(plan, task, front)
    jobs = {method: tested(scores, runs) for method, runs in trainings.items()}
    plain = (
        _soon(evaluate_step, plan.evaluate_spec(task, 0, "majority"), None),
        _soon(evaluate_step, plan.evaluate_spec(task, 0, "zero_shot"), None),
    )
    return Drawn(plain, jobs)


def _trainings(plan: FewShotPlan, task: str, front: str | None) -> dict[str, list[Planned]]:
    """Plan the trainings of one task by method, one for each draw."""
    draws, steps = range(plan.draws), plan.context.steps
    still = [plan.context_spec(task, number, 0) for number in draws]
    moved = [plan.context_spec(task, number, steps) for number in draws]
    jobs = {
        IN_CONTEXT: [_soon(few_shot_step, spec, None) for spec in still],
        TUNING: [_soon(teach_step, plan.tuning_spec(task, number)) for number in draws],
    }
    if steps:  # else it would be the first again
        jobs[CPT] = [_soon(few_shot_step, spec, None) for spec in moved]
    if front:
        jobs[FRONTED] = [_soon(few_shot_step, spec, front) for spec in moved]
    return jobs


_soon = partial(later, rank=FEW_SHOT)
