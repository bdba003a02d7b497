"""The flows: order and fan-out. Nothing is computed here, and nothing is remembered."""

from collections.abc import Sequence
from typing import NamedTuple

import prefect

from flows import few_shot
from flows.fanout import trained
from flows.jobs import FLOW, Jobs, finish, later, settle, tested, wait_for
from flows.line import FULL, SWEEP
from flows.outcomes import left_behind
from flows.planned import Planned
from flows.steps import (
    check_step,
    evaluate_step,
    find_source_step,
    group_step,
    learn_step,
    member_step,
    prompt_step,
)
from pipelines.group_spec import GroupSpec
from pipelines.outcome import Adapted, Grouped, Learned, Target, Transferred
from pipelines.plan import TransferSpec
from pipelines.spec import AdaptSpec, EvaluateSpec


class Sources(NamedTuple):
    """The teachers of one seed, and the source prompt, which waits for them."""

    teachers: list[Planned]
    learned: Planned

    @property
    def all(self) -> list[Planned]:
        """All jobs, in their order."""
        return [*self.teachers, self.learned]


@prefect.flow(flow_run_name="learn-{spec.name}", **FLOW)
@left_behind
def learn_source(spec: TransferSpec) -> Learned:
    """Train teachers and the source prompt for each seed.

    Raises:
        JobsFailed: after all seeds have ended, if any of them failed.
    """
    check_step(spec)
    sources = _learn(spec)
    parts = {name: jobs.all for name, jobs in sources.items()}
    unregistered = finish(parts, "source prompts")
    runs = [jobs.learned.result() for jobs in sources.values()]
    return Learned(runs=runs, unregistered=unregistered)


@prefect.flow(flow_run_name="adapt", **FLOW)
@left_behind
def adapt_target(targets: list[AdaptSpec], source: str) -> Adapted:
    """Adapt a source prompt to each target, and test it.

    Args:
        targets: the recipes.
        source: the prompt: best, @champion, a version, or a digest.

    Raises:
        JobsFailed: after every target has ended, if any of them failed.
    """
    found = find_source_step(targets, source)
    jobs = tested([_test_of(spec, spec.task) for spec in targets], trained(targets, found))
    parts = {spec.task: [*job] for spec, job in zip(targets, jobs, strict=True)}
    unregistered = finish(parts, "targets")
    return Adapted(trials=[job.result() for job in jobs], unregistered=unregistered)


@prefect.flow(flow_run_name="adapt-group", **FLOW)
@left_behind
def adapt_group(spec: GroupSpec, source: str) -> Grouped:
    """Adapt a source prompt to several targets that share it, and test it on each.

    Args:
        spec: the recipe.
        source: the prompt: best, @champion, a version, or a digest.

    Raises:
        JobsFailed: the group's training failed, or some of the tests, after all have ended.
    """
    group = later(group_step, spec, find_source_step([spec], source))
    members = [later(member_step, spec, task, group) for task in spec.tasks]
    jobs = tested([_test_of(spec, task) for task in spec.tasks], members)
    futures = {task: [*job] for task, job in zip(spec.tasks, jobs, strict=True)}
    wait_for(futures)
    settle({", ".join(spec.tasks): [group]}, "groups")
    unregistered = finish(futures, "targets")
    return Grouped(
        group=group.result(), trials=[job.result() for job in jobs], unregistered=unregistered
    )


@prefect.flow(flow_run_name="transfer-{spec.name}", **FLOW)
@left_behind
def transfer(spec: TransferSpec) -> Transferred:
    """Learn the source prompt, then adapt it to every target beside its baselines, per seed.

    Raises:
        JobsFailed: after every job has ended, if any of them failed.
    """
    check_step(spec)
    sources = _learn(spec)
    scratch = _by_target(spec, [
        trained([spec.scratch_spec(task, seed) for task in spec.targets], None, _rank(spec, seed))
        for seed in spec.seeds
    ])  # fmt: skip
    prompts = [
        later(prompt_step, jobs.learned, rank=jobs.learned.rank) for jobs in sources.values()
    ]
    adapted = _by_target(spec, [
        trained([spec.adapt_spec(task, seed) for task in spec.targets], prompt, _rank(spec, seed))
        for seed, prompt in zip(spec.seeds, prompts, strict=True)
    ])  # fmt: skip
    jobs = {
        task: (_tests(spec, task, scratch[task]), _tests(spec, task, adapted[task]))
        for task in spec.targets
    }
    plain = {task: _plain(spec, task) for task in spec.targets}
    shots = few_shot.drawn(spec.few_shot, None) if spec.few_shot else {}
    futures = {task: [*_futures(jobs[task]), *plain[task]] for task in spec.targets}
    futures |= {f"{task} (few-shot)": one.all for task, one in shots.items()}
    learning = {name: jobs.all for name, jobs in sources.items()}
    wait_for(learning | futures)
    # Without its source no target can be adapted: that is one failure to tell, and not one each.
    settle(learning, "source prompts")
    unregistered = finish(futures, "targets")
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
    learned = [jobs.learned.result() for jobs in sources.values()]
    return Transferred(
        learned=learned,
        targets=targets,
        few_shot=[one.result(task) for task, one in shots.items()],
        unregistered=unregistered,
    )


def _rank(spec: TransferSpec, seed: int) -> int:
    """Return how urgent a seed is: the first has all that a person looks at first."""
    return FULL if seed == spec.seeds[0] else SWEEP


def _learn(spec: TransferSpec) -> dict[str, Sources]:
    return {f"seed {seed}": _sources(spec, seed) for seed in spec.seeds}


def _sources(spec: TransferSpec, seed: int) -> Sources:
    rank = _rank(spec, seed)
    runs = trained(spec.teach_specs(seed), None, rank)
    return Sources(runs, later(learn_step, spec.learn_spec(seed), runs, rank=rank))


def _by_target(spec: TransferSpec, seeds: Sequence[Sequence[Planned]]) -> dict[str, list[Planned]]:
    """Return each target's trainings, one for each seed."""
    return {task: [jobs[at] for jobs in seeds] for at, task in enumerate(spec.targets)}


def _tests(spec: TransferSpec, task: str, runs: Sequence[Planned]) -> list[Jobs]:
    return tested([spec.evaluate_spec(task, seed, "prompt") for seed in spec.seeds], runs)


def _test_of(spec: AdaptSpec | GroupSpec, task: str) -> EvaluateSpec:
    return EvaluateSpec(
        backbone=spec.backbone,
        precision=spec.precision,
        seed=spec.seed,
        task=task,
        max_length=spec.max_length,
    )


def _plain(spec: TransferSpec, task: str) -> tuple[Planned, Planned]:
    # Neither depends on a seed, so they are run once, under the first.
    seed = spec.seeds[0]
    return (
        later(evaluate_step, spec.evaluate_spec(task, seed, "majority"), None),
        later(evaluate_step, spec.evaluate_spec(task, seed, "zero_shot"), None),
    )


def _futures(jobs: tuple[list[Jobs], list[Jobs]]) -> list[Planned]:
    return [future for method in jobs for job in method for future in job]
