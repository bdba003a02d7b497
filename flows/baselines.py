"""Baselines: for each task each method, all with the same budget, as jobs of their own."""

import prefect

from flows.jobs import FLOW, later, settle
from flows.line import SWEEP
from flows.steps import baseline_step, check_baselines_step, evaluate_step
from pipelines.baseline_spec import BaselineSpec
from pipelines.outcome import Baselines
from pipelines.spec import EvaluateSpec


@prefect.flow(flow_run_name="baseline", **FLOW)
def baselines(specs: list[BaselineSpec]) -> Baselines:
    """Train and test each baseline of `specs`, and count each task's commonest answer.

    Raises:
        JobsFailed: after every job has ended, if any of them failed.
    """
    check_baselines_step(specs)
    jobs = [later(baseline_step, spec, rank=SWEEP) for spec in specs]
    first = {spec.task: spec for spec in reversed(specs)}
    plain = {
        task: later(evaluate_step, _majority(spec), None, rank=SWEEP)
        for task, spec in first.items()
    }
    parts = {f"{spec.task} by {spec.method}": [job] for spec, job in zip(specs, jobs, strict=True)}
    settle(parts | {f"{task} by majority": [job] for task, job in plain.items()}, "baselines")
    majority = {task: job.result() for task, job in plain.items()}
    return Baselines(runs=[job.result() for job in jobs], majority=majority)


def _majority(spec: BaselineSpec) -> EvaluateSpec:
    return EvaluateSpec(
        backbone=spec.backbone,
        precision=spec.precision,
        seed=spec.seed,
        task=spec.task,
        method="majority",
        max_length=spec.max_length,
        test_rows=spec.test_rows,
    )
