"""One thin Prefect step per stage. Ids go in and out; each step opens its own services.

In this code base "task" means an NLP task, so Prefect's decorator is spelled `prefect.task`.
"""

from threading import Lock
from typing import Any

import prefect
from prefect.cache_policies import NO_CACHE
from sqlalchemy.exc import OperationalError

from flows import display
from flows.publishing import publish
from flows.queries import source_for
from flows.settings import open_lineage, open_services
from pipelines.adapt import adapt
from pipelines.baseline import baseline, check_baseline
from pipelines.baseline_spec import BaselineSpec
from pipelines.check import check, check_few_shot
from pipelines.evaluate import evaluate
from pipelines.fanout import fan_out
from pipelines.few_shot import few_shot
from pipelines.group import member, train_group
from pipelines.group_spec import GroupSpec
from pipelines.learn import learn
from pipelines.plan import FewShotPlan, TransferSpec
from pipelines.records import GROUP, MULTITASK
from pipelines.spec import (
    AdaptSpec,
    EvaluateSpec,
    FewShotSpec,
    LearnSpec,
    TeachSpec,
)
from pipelines.teach import teach

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
    with open_services() as svc:
        check(spec, svc)


@prefect.task(task_run_name="check-few-shot", **STEP)
def check_few_shot_step(plan: FewShotPlan, front: str | None) -> None:
    """Refuse what cannot run, before anything is trained."""
    with open_services() as svc:
        check_few_shot(plan, front, svc)


@prefect.task(task_run_name="find-source", **STEP)
def find_source_step(specs: list[AdaptSpec] | list[GroupSpec], named: str) -> str:
    """Return the digest of the source prompt that a person named; refuse what cannot run."""
    with open_services() as svc:
        return source_for(specs, named, svc)


@prefect.task(task_run_name="teach-{spec.task}-seed{spec.seed}", **STEP)
def teach_step(spec: TeachSpec) -> str:
    """Tune a vanilla prompt; return its run id."""
    with display.counted("teach", spec.task, spec.seed, spec.steps), open_services() as svc:
        return teach(spec, svc)


@prefect.task(task_run_name="learn-seed{spec.seed}", **STEP)
def learn_step(spec: LearnSpec, teacher_runs: list[str]) -> str:
    """Train the source prompt; return its run id."""
    with display.counted("learn", MULTITASK, spec.seed, spec.steps), open_services() as svc:
        teachers = [str(svc.lineage.get_run(one).prompt) for one in teacher_runs]
        return learn(spec, teachers, svc)


@prefect.task(task_run_name="source-prompt", **STEP)
def prompt_step(run_id: str) -> str:
    """Return the digest of the prompt that a run made."""
    with open_lineage() as lineage:
        return str(lineage.get_run(run_id).prompt)


@prefect.task(task_run_name="adapt-{spec.task}-seed{spec.seed}", **STEP)
def adapt_step(spec: AdaptSpec, source: str) -> str:
    """Adapt the source prompt with this digest to one target; return the run id."""
    with display.counted("adapt", spec.task, spec.seed, spec.steps), open_services() as svc:
        return adapt(spec, source, svc)


@prefect.task(task_run_name="check-baselines", **STEP)
def check_baselines_step(specs: list[BaselineSpec]) -> None:
    """Refuse what cannot run, before anything is trained."""
    with open_services() as svc:
        for spec in specs:
            check_baseline(spec, svc)


@prefect.task(task_run_name="baseline-{spec.task}-{spec.method}-seed{spec.seed}", **STEP)
def baseline_step(spec: BaselineSpec) -> str:
    """Train and test a baseline; return its run id."""
    stage = f"baseline {spec.method}"
    with display.counted(stage, spec.task, spec.seed, spec.steps), open_services() as svc:
        return baseline(spec, svc)


@prefect.task(task_run_name="adapt-group-seed{spec.seed}", **STEP)
def group_step(spec: GroupSpec, source: str) -> str:
    """Adapt the source prompt with this digest to several targets together; return the run id."""
    with display.counted("adapt", GROUP, spec.seed, spec.steps), open_services() as svc:
        return train_group(spec, source, svc)


@prefect.task(task_run_name="member-{task}-seed{spec.seed}", **STEP)
def member_step(spec: GroupSpec, task: str, group: str) -> str:
    """Record one task's prompt of the group that a run trained; return the run id."""
    with open_services() as svc:
        return member(spec, task, group, svc)


_one_at_a_time = Lock()


@prefect.task(task_run_name="side-by-side", **STEP)
def fan_out_step(specs: list[TeachSpec | AdaptSpec], source: str | None) -> list[str | Exception]:
    """Train several prompts on one backbone at once; return each run id, or what it failed of."""
    steps = sum(spec.steps for spec in specs)
    with (
        _one_at_a_time,  # or two would count on the same memory
        display.counted("side by side", MULTITASK, specs[0].seed, steps),
        open_services() as svc,
    ):
        found = fan_out(specs, source, svc)
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
    with display.counted("few_shot", spec.task, spec.draw.seed, spec.steps), open_services() as svc:
        return few_shot(spec, front, svc)


@prefect.task(task_run_name="evaluate-{spec.task}-{spec.method}-seed{spec.seed}", **STEP)
def evaluate_step(spec: EvaluateSpec, trained_run: str | None) -> str:
    """Test the prompt that a run made, or none; return the run id."""
    stage = "evaluate" if trained_run else f"evaluate {spec.method}"
    with display.counted(stage, spec.task, spec.seed, EVALUATION), open_services() as svc:
        prompt = svc.lineage.get_run(trained_run).prompt if trained_run else None
        return evaluate(spec, prompt, svc)


@prefect.task(task_run_name="publish", **STEP)
def publish_step() -> str:
    """Show all finished prompts to the model registry; return what went wrong, or nothing."""
    return publish()
