"""Answers for people: tables and trees on stdout."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.status import Status
from rich.table import Table

from flows.columns import aligned
from pipelines.capability import FAMILIES
from tasks.describe import definition, origin
from tasks.own.files import printable
from tasks.variants import variants

if TYPE_CHECKING:
    from pipelines.capability import Cell, Method
    from tasks import Data, Example, Task
    from tasks.own.survey import Survey
    from tasks.stats import Stats

console = Console()
SPLITS = ("train", "validation", "test")


def show_tasks(tasks: Sequence["Task"]) -> None:
    """Print one line a task."""
    head = ("task", "benchmark", "family", "role", "metric", "answers")
    sys.stdout.write(aligned(head, [_task_row(one) for one in tasks]))


def _task_row(task: "Task") -> tuple[str, ...]:
    answers = ", ".join(task.labels) or "free text"
    metric = next(iter(task.metrics))
    return task.name, task.benchmark, task.family, task.role, metric, answers


def show_task(task: "Task", rows: Sequence["Example"], data: "Data | None") -> None:
    """Print one task, and some of its rows."""
    show_tasks([task])
    say = partial(console.print, highlight=False, soft_wrap=True, markup=False)
    say(f"rows: {origin(task.source)}")
    form = definition(task)["template"]
    say(f"columns: {', '.join(task.columns)}" + (f"\nreads: {form}" if form else ""))
    if names := ", ".join(variants(task)):
        say(f"variants: {names}")
    if task.trained_on:
        say(f"test rows only: answered by a prompt of {' or '.join(task.trained_on)}")
    if task.citation:
        say(f"licence: {task.licence}\nfrom: {task.citation}")
    if data is None:
        return
    sizes = ", ".join(f"{len(getattr(data, s)):,} {s}" for s in SPLITS)
    say(f"{sizes} rows from {data.origin} {data.revision or ''}")
    for warning in data.warnings:
        say(f"warning: {warning}")
    for row in rows:  # as they are, but for what would move the cursor
        say(f"\ninput   {printable(row.input)}")
        say(f"answer  {printable(' | '.join(row.answers))}")


@contextmanager
def counting(names: Sequence[str]) -> Iterator[Iterator[str]]:
    """Name on stderr, where that is a terminal, which of the tasks is being read."""

    def each(status: Status) -> Iterator[str]:
        for at, name in enumerate(names, 1):
            status.update(f"{name} ({at} of {len(names)})")
            yield name

    with Console(stderr=True).status("") as status:
        yield each(status)


def show_stats(found: Sequence["Stats"]) -> None:
    """Print the counts of tasks, and then which tasks have none, and why."""
    head = ("task", *SPLITS, "majority on test", "% of each label")
    counted = [_stats_row(one) for one in found if not one.absent]
    say = partial(console.print, highlight=False, soft_wrap=True, markup=False)
    if counted:
        sys.stdout.write(aligned(head, counted))
    for warning in (warning for one in found for warning in one.warnings):
        say(f"warning: {warning}")
    reasons = dict.fromkeys(one.absent for one in found if one.absent)
    for reason in reasons:
        say(f"{', '.join(one.task for one in found if one.absent == reason)}: {reason}")


def _stats_row(one: "Stats") -> tuple[str, ...]:
    shares = ", ".join(f"{label} {share:.1f}" for label, share in one.shares.items())
    score = "no training rows" if one.majority is None else f"{one.metric} {one.majority:.1f}"
    sizes = [f"{one.rows[split]:,}" for split in SPLITS]
    return (one.task, *sizes, score, shares or "free text")


def show_methods(methods: Sequence["Method"]) -> None:
    """Print where each method works, with its defaults; then what it trains, and what to know."""
    table = Table("method", "rate", "options", box=SIMPLE_HEAD, pad_edge=False)
    for name in FAMILIES.values():
        table.add_column(name.replace(", ", ",\n").replace(" ", "\n"))
    notes = list(dict.fromkeys(cell.note for one in methods for cell in one.cells.values()))
    notes.remove("")
    for method in methods:
        options = [f"{n} {'all' if v is None else v}" for n, v in method.options.items()]
        cells = [_cell(one, notes) for one in method.cells.values()]
        table.add_row(method.name, f"{method.learning_rate:g}", "\n".join(options), *cells)
    console.print(table)
    for number, note in enumerate(notes, start=1):
        console.print(f"({number}) {note}", highlight=False, soft_wrap=True)
    for method in methods:
        own = f"; float32 only: {method.float32_only}" if method.float32_only else ""
        told = f"{method.name}: {method.trains}{method.cited}{own}"
        console.print(f"[dim]{method.command}[/]  {told}", highlight=False, soft_wrap=True)


def _cell(cell: "Cell", notes: Sequence[str]) -> str:
    mark = f" ({notes.index(cell.note) + 1})" if cell.note else ""
    return f"{'yes' if cell.works else 'no'}{mark}"


def show_survey(survey: "Survey", file: Path) -> None:
    """Print what was found in the rows of a user's task."""
    rows = ", ".join(f"{count:,} {split}" for split, count in survey.rows.items())
    say = partial(console.print, highlight=False, soft_wrap=True, markup=False)
    say(f"{survey.task}: {survey.kind}, {rows} rows; a row's number does not count the header")
    if survey.labels:
        say(", ".join(f"{label} {count:,}" for label, count in survey.labels.items()))
    say(f"longest input: {survey.longest:,} tokens")
    for one in survey.findings:
        say(f"{one.level}: {one.message}")
    if not survey.errors:
        say(f"next: prompt-transfer adapt {file}")
