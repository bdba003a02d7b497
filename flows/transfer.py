"""The flows: order and fan-out. Nothing is computed here, and nothing is remembered."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import prefect
from prefect.futures import wait

from flows.steps import (
    adapt_step,
    check_step,
    evaluate_step,
    learn_step,
    prompt_step,
    publish_step,
    teach_step,
)
from pipelines.outcome import Adapted, Target, Transferred, Trial
from pipelines.spec import AdaptSpec, EvaluateSpec, TransferSpec

Future = Any  # a PrefectFuture; steps take one where they declare its result
FLOW: dict[str, Any] = {"persist_result": False}


class TargetsFailed(Exception):
    """Some targets failed; the others are done and recorded."""

    def __init__(self, failed: dict[str, str], total: int) -> None:
        reasons = "; ".join(f"{task}: {why}" for task, why in failed.items())
        super().__init__(
            f"{len(failed)} of {total} targets failed ({reasons}): mend that and run the same "
            "again; finished runs are found in lineage and not repeated"
        )


class Jobs(NamedTuple):
    """A prompt being trained for a target, and its test, which waits for it."""

    trained: Future
    tested: Future

    def result(self) -> Trial:
        """Return the ids of both runs."""
        return Trial(trained=self.trained.result(), tested=self.tested.result())


@prefect.flow(flow_run_name="learn-{spec.name}", **FLOW)
def learn_source(spec: TransferSpec) -> list[str]:
    """Train teachers and the source prompt for each seed; return the source runs' ids."""
    check_step(spec)
    learned = _learn(spec)
    wait(learned)
    publish_step()
    return [one.result() for one in learned]


@prefect.flow(flow_run_name="adapt", **FLOW)
def adapt_target(targets: list[AdaptSpec], source: str) -> Adapted:
    """Adapt the source prompt with the digest `source` to each target, and test it.

    Raises:
        TargetsFailed: after every target has ended, if any of them failed.
    """
    jobs = [_adapt(spec, source, _test_of(spec)) for spec in targets]
    _wait({spec.task: [*job] for spec, job in zip(targets, jobs, strict=True)})
    return Adapted(trials=[job.result() for job in jobs], unregistered=publish_step())


@prefect.flow(flow_run_name="transfer-{spec.name}", **FLOW)
def transfer(spec: TransferSpec) -> Transferred:
    """Learn the source prompt, then adapt it to every target beside its baselines, per seed.

    Raises:
        TargetsFailed: after every target has ended, if any of them failed.
    """
    check_step(spec)
    learned = _learn(spec)
    sources = [_later(prompt_step, one) for one in learned]
    jobs = {task: _fan_out(spec, task, sources) for task in spec.targets}
    plain = {task: _plain(spec, task) for task in spec.targets}
    _wait({task: [*_futures(jobs[task]), *plain[task]] for task in spec.targets})
    targets = [
        Target(
            task=task,
            majority=plain[task][0].result(),
            zero_shot=plain[task][1].result(),
            scratch=[job.result() for job in jobs[task][0]],
            adapted=[job.result() for job in jobs[task][1]],
        )
        for task in spec.targets
    ]
    return Transferred(
        learned=[one.result() for one in learned], targets=targets, unregistered=publish_step()
    )


def _later(step: Any, *given: Any) -> Future:
    # Prefect's types do not know that a step also takes the futures of what it declares.
    return step.submit(*given)


def _learn(spec: TransferSpec) -> list[Future]:
    teachers = [[_later(teach_step, one) for one in spec.teach_specs(seed)] for seed in spec.seeds]
    return [
        _later(learn_step, spec.learn_spec(seed), runs)
        for seed, runs in zip(spec.seeds, teachers, strict=True)
    ]


def _fan_out(
    spec: TransferSpec, task: str, sources: Sequence[Future]
) -> tuple[list[Jobs], list[Jobs]]:
    """Submit one target: from scratch and adapted, for each seed."""
    scratch, adapted = [], []
    for seed, source in zip(spec.seeds, sources, strict=True):
        test = spec.evaluate_spec(task, seed, "prompt")
        trained = _later(teach_step, spec.scratch_spec(task, seed))
        scratch.append(Jobs(trained, _later(evaluate_step, test, trained)))
        adapted.append(_adapt(spec.adapt_spec(task, seed), source, test))
    return scratch, adapted


def _adapt(spec: AdaptSpec, source: str | Future, test: EvaluateSpec) -> Jobs:
    trained = _later(adapt_step, spec, source)
    return Jobs(trained, _later(evaluate_step, test, trained))


def _test_of(spec: AdaptSpec) -> EvaluateSpec:
    return EvaluateSpec(
        backbone=spec.backbone,
        precision=spec.precision,
        seed=spec.seed,
        task=spec.task,
        max_length=spec.max_length,
    )


def _plain(spec: TransferSpec, task: str) -> tuple[Future, Future]:
    # Neither depends on a seed, so they are run once, under the first.
    seed = spec.seeds[0]
    return (
        _later(evaluate_step, spec.evaluate_spec(task, seed, "majority"), None),
        _later(evaluate_step, spec.evaluate_spec(task, seed, "zero_shot"), None),
    )


def _futures(jobs: tuple[list[Jobs], list[Jobs]]) -> list[Future]:
    return [future for method in jobs for job in method for future in job]


def _wait(futures: dict[str, list[Future]]) -> None:
    """Wait for all jobs of all targets; then fail if any did."""
    wait([future for jobs in futures.values() for future in jobs])
    failed = {task: _reason(jobs) for task, jobs in futures.items()}
    if bad := {task: why for task, why in failed.items() if why}:
        publish_step()  # what the others made is done
        raise TargetsFailed(bad, len(futures))


def _reason(jobs: Sequence[Future]) -> str:
    """Return why the first failed job of a target failed, or nothing if none did."""
    for job in jobs:
        if not job.state.is_completed():
            error = job.state.result(raise_on_failure=False)
            return f"{type(error).__name__}: {error}".partition("\n")[0].rstrip(". ")
    return ""
