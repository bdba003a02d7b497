"""Answers for people: tables and trees on stdout."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.tree import Tree

if TYPE_CHECKING:
    from pipelines.ancestry import Node
    from tasks import Data, Example, Task
    from tasks.own.survey import Survey

console = Console()


def show_tasks(tasks: Sequence["Task"]) -> None:
    """Print one line a task."""
    table = Table("task", "benchmark", "family", "role", "metric", "answers")
    for task in tasks:
        metric = next(iter(task.metrics))
        answers = ", ".join(task.labels) or "free text"
        table.add_row(task.name, task.benchmark, task.family, task.role, metric, answers)
    console.print(table)


def show_task(task: "Task", rows: Sequence["Example"], data: "Data | None") -> None:
    """Print one task, and some of its rows."""
    show_tasks([task])
    if data is None:
        return
    sizes = ", ".join(f"{len(getattr(data, s)):,} {s}" for s in ("train", "validation", "test"))
    console.print(f"{sizes} rows from {escape(data.origin)} {data.revision or ''}")
    for warning in data.warnings:
        console.print(f"warning: {escape(warning)}")
    for row in rows:
        console.print(f"\n[bold]input[/]   {escape(row.input)}", soft_wrap=True)
        console.print(f"[bold]answer[/]  {escape(' | '.join(row.answers))}", soft_wrap=True)


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


def show_tree(node: "Node") -> None:
    """Print an ancestry."""
    console.print(_branch(Tree(_label(node)), node))


def _branch(tree: Tree, node: "Node") -> Tree:
    for child in node.children:
        _branch(tree.add(_label(child)), child)
    return tree


def _label(node: "Node") -> str:
    facts = ", ".join(f"{name} {value}" for name, value in node.facts)
    again = " (see above)" if node.repeated else ""
    return (
        f"[dim]{escape(node.role)}:[/] [bold]{escape(node.title)}[/] {node.id[:12]} "
        f"[dim]{escape(facts)}[/]{again}"
    )
