"""The flow that tests a prompt that is there already, or what is to be had without one."""

import prefect

from flows.isolation import open_for_checks
from flows.jobs import FLOW
from flows.outcomes import left_behind
from flows.queries import NoPrompt
from flows.steps import STEP, evaluated
from pipelines.best import Wanted
from pipelines.outcome import Evaluated
from pipelines.services import Services
from pipelines.spec import EvaluateSpec


@prefect.task(task_run_name="evaluate-{spec.task}-{spec.method}-seed{spec.seed}", **STEP)
def evaluate_named_step(spec: EvaluateSpec, prompt: str) -> str:
    """Test the prompt that a person named, or none; return the run id."""
    with open_for_checks() as svc:
        digest = _digest(spec, prompt, svc)
    return evaluated(spec, digest)


def _digest(spec: EvaluateSpec, prompt: str, svc: Services) -> str | None:
    if spec.method != "prompt":
        return None
    if prompt != "best":
        return svc.lineage.get_prompt(prompt).sha
    task = svc.task(spec.task).task.name
    digest = svc.backbone(spec.backbone, spec.precision).digest
    found = svc.lineage.best(task, Wanted(backbone=digest))
    if found is None:
        raise NoPrompt(f"no prompt for {task!r} is recorded here for the backbone {spec.backbone}")
    return found.prompt


@prefect.flow(flow_run_name="evaluate-{spec.task}", **FLOW)
@left_behind
def evaluate(spec: EvaluateSpec, prompt: str = "best") -> Evaluated:
    """Test a prompt on the test split of a task.

    Args:
        spec: the recipe; its method may also be the majority class, or zero-shot.
        prompt: best, or a digest; of no meaning unless the recipe's method is "prompt".
    """
    return Evaluated(run=evaluate_named_step(spec, prompt))
