"""What a person sees while jobs run: one bar for all, and one for each job under way."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock, get_ident

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from pipelines.services import OnStep


class Display:
    """Bars on stderr. Steps count towards the whole, so that the time left is about right."""

    def __init__(self, total_steps: int) -> None:
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.completed:>5.0f}/{task.total:.0f}"),
            TextColumn("{task.fields[note]:<12}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._whole = self._bars.add_task("[bold]all steps", total=total_steps, note="")
        self._lock = Lock()
        self._done = 0
        self._under_way: dict[int, int] = {}  # thread -> steps of its job so far

    def __enter__(self) -> "Display":
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    @contextmanager
    def job(self, stage: str, task: str, steps: int) -> Iterator[OnStep]:
        """Show one job; the block calls what it gets after each step."""
        bar = self._bars.add_task(f"{stage:<8} {task}", total=steps, note="")
        try:
            yield lambda step, loss: self._step(bar, step, loss)
        finally:
            self._bars.remove_task(bar)

    def finish(self, steps: int) -> None:
        """Count a job of this thread as ended: one that was found done took no steps."""
        with self._lock:
            self._under_way.pop(get_ident(), None)
            self._done += steps
            self._show()

    def _step(self, bar: TaskID, step: int, loss: float) -> None:
        note = f"loss {loss:.3f}" if math.isfinite(loss) else ""
        self._bars.update(bar, completed=step, note=note)
        with self._lock:
            self._under_way[get_ident()] = step
            self._show()

    def _show(self) -> None:
        self._bars.update(self._whole, completed=self._done + sum(self._under_way.values()))


_current: list[Display] = []  # the command line's own; a worker has none


@contextmanager
def showing(total_steps: int) -> Iterator[None]:
    """Show the jobs of this process while the block runs."""
    with Display(total_steps) as display:
        _current.append(display)
        try:
            yield
        finally:
            _current.remove(display)


@contextmanager
def job(stage: str, task: str, steps: int) -> Iterator[OnStep]:
    """Show one job, if anybody watches."""
    if not _current:
        yield lambda step, loss: None
        return
    with _current[-1].job(stage, task, steps) as on_step:
        yield on_step


def finish(steps: int) -> None:
    """Count a job as ended, if anybody watches."""
    if _current:
        _current[-1].finish(steps)
