"""One thin Prefect step per stage. Ids go in and out; each step opens its own services.

In this code base "task" means an NLP task, so Prefect's decorator is spelled `prefect.task`.
"""

from typing import Any

import prefect
from prefect.cache_policies import NO_CACHE
from sqlalchemy.exc import OperationalError

from flows.isolation import open_for_checks
from flows.performing import Shown, perform
from flows.publishing import publish
from flows.queries import source_for
from flows.settings import open_lineage
from pipelines.baseline import check_baseline
from pipelines.baseline_spec import BaselineSpec
from pipelines.check import check, check_few_shot
from pipelines.group import member
from pipelines.group_spec import GroupSpec
from pipelines.job import Job
from pipelines.plan import FewShotPlan, TransferSpec
from pipelines.records import GROUP, MULTITASK
from pipelines.spec import (
    AdaptSpec,
    EvaluateSpec,
    FewShotSpec,
    LearnSpec,
    StageSpec,
    TeachSpec,
)

TRANSIENT = (ConnectionError, TimeoutError, OperationalError)
EVALUATION = 10  # training steps that a test takes about as long as


async def is_transient(task: Any, task_run: Any, state: Any) -> bool:
    """Retry what waiting can cure. A bad spec fails the same way every time."""
    return isinstance(await state.aresult(raise_on_failure=False), TRANSIENT)


# NO_CACHE: lineage alone knows what is done. Two memories would disagree one day.
STEP: dict[str, Any] = {
    "retries": 3,
    "retry_delay_seconds": [10, 60, 300],
    "retry_condition_fn": is_transient,
    "cache_policy": NO_CACHE,
    "persist_result": False,
}


@prefect.task(task_run_name="check", **STEP)
def check_step(spec: TransferSpec) -> None:
    """Refuse what cannot run, before anything is trained."""
    with open_for_checks() as svc:
        check(spec, svc)


@prefect.task(task_run_name="check-few-shot", **STEP)
def check_few_shot_step(plan: FewShotPlan, front: str | None) -> None:
    """Refuse what cannot run, before anything is trained."""
    with open_for_checks() as svc:
        check_few_shot(plan, front, svc)


@prefect.task(task_run_name="find-source", **STEP)
def find_source_step(specs: list[AdaptSpec] | list[GroupSpec], named: str) -> str:
    """Return the digest of the source prompt that a person named; refuse what cannot run."""
    with open_for_checks() as svc:
        return source_for(specs, named, svc)


@prefect.task(task_run_name="teach-{spec.task}-seed{spec.seed}", **STEP)
def teach_step(spec: TeachSpec) -> str:
    """Tune a vanilla prompt; return its run id."""
    return _alone(spec, Shown("teach", spec.task, spec.seed, spec.steps))


@prefect.task(task_run_name="learn-seed{spec.seed}", **STEP)
def learn_step(spec: LearnSpec, teacher_runs: list[str]) -> str:
    """Train the source prompt; return its run id."""
    teachers = [_prompt(one) for one in teacher_runs]
    return _alone(spec, Shown("learn", MULTITASK, spec.seed, spec.steps), *teachers)


@prefect.task(task_run_name="source-prompt", **STEP)
def prompt_step(run_id: str) -> str:
    """Return the digest of the prompt that a run made."""
    return _prompt(run_id)


@prefect.task(task_run_name="adapt-{spec.task}-seed{spec.seed}", **STEP)
def adapt_step(spec: AdaptSpec, source: str) -> str:
    """Adapt the source prompt with this digest to one target; return the run id."""
    return _alone(spec, Shown("adapt", spec.task, spec.seed, spec.steps), source)


@prefect.task(task_run_name="check-baselines", **STEP)
def check_baselines_step(specs: list[BaselineSpec]) -> None:
    """Refuse what cannot run, before anything is trained."""
    with open_for_checks() as svc:
        for spec in specs:
            check_baseline(spec, svc)


@prefect.task(task_run_name="baseline-{spec.task}-{spec.method}-seed{spec.seed}", **STEP)
def baseline_step(spec: BaselineSpec) -> str:
    """Train and test a baseline; return its run id."""
    stage = f"baseline {spec.method}"
    return _alone(spec, Shown(stage, spec.task, spec.seed, spec.steps))


@prefect.task(task_run_name="adapt-group-seed{spec.seed}", **STEP)
def group_step(spec: GroupSpec, source: str) -> str:
    """Adapt the source prompt with this digest to several targets together; return the run id."""
    return _alone(spec, Shown("adapt", GROUP, spec.seed, spec.steps), source)


@prefect.task(task_run_name="member-{task}-seed{spec.seed}", **STEP)
def member_step(spec: GroupSpec, task: str, group: str) -> str:
    """Record one task's prompt of the group that a run trained; return the run id."""
    with open_for_checks() as svc:
        return member(spec, task, group, svc)


@prefect.task(task_run_name="side-by-side", **STEP)
def fan_out_step(specs: list[TeachSpec | AdaptSpec], source: str | None) -> list[str | Exception]:
    """Train several prompts on one backbone at once; return each run id, or what it failed of."""
    steps = sum(spec.steps for spec in specs)
    shown = Shown("side by side", MULTITASK, specs[0].seed, steps)
    found = perform(Job.of(specs, [source]), shown)
    for one in found:
        if isinstance(one, TRANSIENT):
            raise one  # tried again, with the others found in lineage
    return found


@prefect.task(task_run_name="trained-{spec.task}-seed{spec.seed}", **STEP)
def trained_step(spec: TeachSpec | AdaptSpec, found: list[str | Exception], at: int) -> str:
    """Return one of the runs of `fan_out_step`, or fail as it did."""
    run = found[at]
    if isinstance(run, Exception):
        raise run
    return run


@prefect.task(task_run_name="few-shot-{spec.task}-draw{spec.draw.seed}", **STEP)
def few_shot_step(spec: FewShotSpec, front: str | None) -> str:
    """Move a context of a few examples behind the prompt `front`, or none; return the run id."""
    return _alone(spec, Shown("few_shot", spec.task, spec.draw.seed, spec.steps), front)


@prefect.task(task_run_name="evaluate-{spec.task}-{spec.method}-seed{spec.seed}", **STEP)
def evaluate_step(spec: EvaluateSpec, trained_run: str | None) -> str:
    """Test the prompt that a run made, or none; return the run id."""
    return evaluated(spec, _prompt(trained_run) if trained_run else None)


def evaluated(spec: EvaluateSpec, prompt: str | None) -> str:
    """Run the job that tests a prompt, or none; return the run id."""
    stage = "evaluate" if prompt else f"evaluate {spec.method}"
    return _alone(spec, Shown(stage, spec.task, spec.seed, EVALUATION), prompt)


def _alone(spec: StageSpec, shown: Shown, *reads: str | None) -> str:
    job = Job.of([spec], reads)
    (run,) = perform(job, shown)
    prefect.get_run_logger().info("%s is run %s of job %s", shown.title, run, job.id)
    return str(run)


def _prompt(run_id: str) -> str:
    with open_lineage() as lineage:
        return str(lineage.get_run(run_id).prompt)


@prefect.task(task_run_name="publish", **STEP)
def publish_step() -> str:
    """Show all finished prompts to the model registry; return what went wrong, or nothing."""
    return publish()


LIGHT = (prompt_step, member_step, trained_step, publish_step)
"""Steps that compute nothing: they need no GPU."""
