"""The flow that tests prompts that are there already, or what is to be had without one."""

import prefect

from flows import display
from flows.jobs import FLOW
from flows.outcomes import left_behind
from flows.queries import best_prompt
from flows.settings import open_services
from flows.steps import EVALUATION, STEP
from pipelines.evaluate import evaluate as evaluate_stage
from pipelines.outcome import Evaluated
from pipelines.spec import EvaluateSpec


@prefect.task(task_run_name="evaluate-{spec.task}-{spec.method}-seed{spec.seed}", **STEP)
def evaluate_prompt_step(spec: EvaluateSpec, prompt: str | None) -> str:
    """Test the prompt with this digest, or none; return the run id."""
    with (
        display.counted("evaluate", spec.task, spec.seed, EVALUATION),
        open_services() as svc,
    ):
        sha = svc.lineage.get_prompt(prompt).sha if prompt else None
        return evaluate_stage(spec, sha, svc)


@prefect.flow(flow_run_name="evaluate-{spec.task}", **FLOW)
@left_behind
def evaluate(spec: EvaluateSpec, prompt: str | None = "best") -> Evaluated:
    """Test a prompt on the test split of a task.

    Args:
        spec: the recipe.
        prompt: best, or a digest; of no meaning unless the recipe's method is "prompt".
    """
    if spec.method != "prompt":
        prompt = None
    elif prompt == "best":
        prompt = best_prompt(spec.task, from_mlflow=False).prompt_sha
    return Evaluated(run=evaluate_prompt_step(spec, prompt))
