"""Few-shot jobs: for each draw of each task, CPT beside its controls on the same examples."""

from typing import NamedTuple

import prefect

from flows.jobs import FLOW, Future, Jobs, later, settle, tested
from flows.outcomes import left_behind
from flows.steps import check_few_shot_step, evaluate_step, few_shot_step, publish_step, teach_step
from pipelines.outcome import FewShot, FewShots
from pipelines.plan import FewShotPlan

IN_CONTEXT, TUNING, CPT, FRONTED = "in-context learning", "prompt tuning", "CPT", "source + CPT"


class Drawn(NamedTuple):
    """All jobs of one task."""

    plain: tuple[Future, Future]
    jobs: dict[str, list[Jobs]]

    @property
    def all(self) -> list[Future]:
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
    drawn = test(plan, train(plan, front))
    settle({task: jobs.all for task, jobs in drawn.items()}, "tasks")
    found = [jobs.result(task) for task, jobs in drawn.items()]
    return FewShots(tasks=found, unregistered=publish_step())


Trainings = dict[str, dict[str, list[Future]]]
"""By task and method, one for each draw."""


def train(plan: FewShotPlan, front: str | None) -> Trainings:
    """Submit all trainings."""
    return {task: _trainings(plan, task, front) for task in plan.tasks}


def _trainings(plan: FewShotPlan, task: str, front: str | None) -> dict[str, list[Future]]:
    draws, steps = range(plan.draws), plan.context.steps
    still = [plan.context_spec(task, number, 0) for number in draws]
    moved = [plan.context_spec(task, number, steps) for number in draws]
    jobs = {
        IN_CONTEXT: [later(few_shot_step, spec, None) for spec in still],
        TUNING: [later(teach_step, plan.tuning_spec(task, number)) for number in draws],
    }
    if steps:  # else it would be the first again
        jobs[CPT] = [later(few_shot_step, spec, None) for spec in moved]
    if front:
        jobs[FRONTED] = [later(few_shot_step, spec, front) for spec in moved]
    return jobs


def test(plan: FewShotPlan, trained: Trainings) -> dict[str, Drawn]:
    """Submit all tests, after every training of the flow."""
    return {task: _tests(plan, task, methods) for task, methods in trained.items()}


def _tests(plan: FewShotPlan, task: str, methods: dict[str, list[Future]]) -> Drawn:
    scores = [plan.evaluate_spec(task, number, "prompt") for number in range(plan.draws)]
    jobs = {method: tested(scores, runs) for method, runs in methods.items()}
    plain = (
        later(evaluate_step, plan.evaluate_spec(task, 0, "majority"), None),
        later(evaluate_step, plan.evaluate_spec(task, 0, "zero_shot"), None),
    )
    return Drawn(plain, jobs)
