"""How much memory a job is expected to need, before it starts; no weights are read."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import tasks
from mpt.memory import SHARE, Size, step_bytes
from pipelines.baseline_spec import BaselineSpec
from pipelines.job import Job
from pipelines.spec import Budget, FewShotSpec, StageSpec

PROMPT = 100  # tokens, where a spec does not say
SCORED = 64  # rows at once; see `pipelines.services.Services.batch_size`
BESIDE = 2**30  # bytes that a process keeps on a GPU for itself
ADAM = 4  # weights, gradients and two moments, where all of a backbone is trained


def needed_bytes(job: Job, measure: Callable[[str, str], Size]) -> int:
    """Return how many bytes `job` should have; it may go on with fewer, or fail of them.

    Args:
        job: what is to be run.
        measure: tells the size of a backbone by name and precision.

    Raises:
        UnknownTask, BadDefinition: a task is unknown.
        UnknownBackbone, UnsupportedBackbone: the backbone is.
    """
    specs = job.recipes
    size = measure(specs[0].backbone, specs[0].precision)
    weights = size.parameters * size.itemsize
    if any(isinstance(one, BaselineSpec) and one.method == "full" for one in specs):
        weights *= ADAM
    step = max(_training(specs, size), _scoring(specs, size))
    return int((weights + step) / SHARE) + BESIDE


def _training(specs: Sequence[StageSpec], size: Size) -> int:
    rows = sum(one.batch_size for one in specs if isinstance(one, Budget | FewShotSpec))
    return step_bytes(size, rows, *_longest(specs))


def _scoring(specs: Sequence[StageSpec], size: Size) -> int:
    return step_bytes(replace(size, layers=1), SCORED, *_longest(specs))


def _longest(specs: Sequence[StageSpec]) -> tuple[int, int]:
    """Return the tokens of the longest row, with its prompt, and of the longest answer."""
    lengths = [_lengths(one, name) for one in specs for name in _tasks(one)]
    return max(length for length, _ in lengths), max(answer for _, answer in lengths)


def _lengths(spec: StageSpec, name: str) -> tuple[int, int]:
    task, limit = tasks.find(name), getattr(spec, "max_length", None)
    length = limit or task.max_input
    before = getattr(spec, "prompt_length", None) or PROMPT
    if isinstance(spec, FewShotSpec):  # its examples stand before each row
        each = len(task.labels) if spec.draw.per_class else 1
        before = spec.draw.shots * each * (length + task.max_answer)
    return length + before, task.max_answer


def _tasks(spec: StageSpec) -> list[str]:
    several: list[str] | None = getattr(spec, "tasks", None)
    return several or [str(getattr(spec, "task", ""))]
