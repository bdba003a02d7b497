"""What a person sees while jobs run: one bar for all, and one for each job under way.

Where stderr is no terminal there are no bars, but a line for each job that has ended.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock, get_ident
from time import monotonic

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from flows import stopping
from pipelines.services import OnStep


class Display:
    """Bars on stderr. Steps count towards the whole, so that the time left is about right."""

    def __init__(self, total_steps: int) -> None:
        self._console = Console(stderr=True)
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]:<12}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._total = total_steps
        self._whole = self._bars.add_task("[bold]all steps", total=total_steps, note="")
        self._lock = Lock()
        self._done = 0
        self._under_way: dict[int, dict[TaskID, int]] = {}  # thread -> steps of its jobs so far

    def __enter__(self) -> "Display":
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    @contextmanager
    def job(self, stage: str, task: str, steps: int) -> Iterator[OnStep]:
        """Show one job; the block calls what it gets after each step."""
        total = steps or None  # None: a bar that only moves
        bar = self._bars.add_task(f"{stage:<8} {task}", total=total, note="")
        try:
            yield lambda step, loss: self._step(bar, step, loss)
        finally:
            self._bars.remove_task(bar)

    @contextmanager
    def counted(self, job: str, steps: int) -> Iterator[None]:
        """Count the job of the block as `steps` of the whole, however it ends."""
        began, ended = monotonic(), "failed"
        try:
            yield
            ended = "done"
        finally:
            with self._lock:
                self._under_way.pop(get_ident(), None)
                self._done += steps
                self._show()
                if not self._console.is_terminal:
                    seconds = monotonic() - began
                    line = f"{job}: {ended} in {seconds:.0f} s, {self._done}/{self._total} steps"
                    self.say(line)

    def say(self, line: str) -> None:
        """Print a line, above the bars."""
        self._console.print(line, soft_wrap=True, markup=False, highlight=False)

    def _step(self, bar: TaskID, step: int, loss: float) -> None:
        note = f"loss {loss:.3f}" if math.isfinite(loss) else ""
        self._bars.update(bar, completed=step, note=note)
        with self._lock:
            self._under_way.setdefault(get_ident(), {})[bar] = step
            self._show()

    def _show(self) -> None:
        under_way = sum(step for jobs in self._under_way.values() for step in jobs.values())
        self._bars.update(self._whole, completed=self._done + under_way)


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
    """Show one job, if anybody watches; the block calls what it gets after each step."""
    if not _current:
        yield stopping.checked(lambda step, loss: None)
        return
    with _current[-1].job(stage, task, steps) as on_step:
        yield stopping.checked(on_step)


@contextmanager
def counted(stage: str, task: str, seed: int, steps: int) -> Iterator[None]:
    """Count a job when it ends, if anybody watches."""
    if not _current:
        yield
        return
    with _current[-1].counted(f"{stage} {task} seed {seed}", steps):
        yield


def say(line: str) -> None:
    """Print a line, if anybody watches."""
    for display in _current[-1:]:
        display.say(line)
