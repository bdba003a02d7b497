"""The scores at the end of a run, for people, on stdout."""

from collections.abc import Iterable, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from flows.baseline_scores import BaselineScores
from flows.running import (
    FewShotReport,
    SourcePrompt,
    Tested,
    TestedTogether,
    TransferReport,
)
from flows.settings import Settings
from pipelines.few_shot_report import FewShotRow, MethodScores
from pipelines.report import Report, Row, Scores

console = Console()


def show_transfer(report: TransferReport, settings: Settings) -> None:
    """Print the tables of a transfer, what they rest on, and where to look next."""
    show_report(report.targets)
    if report.few_shot:
        console.print()
        show_few_shot(report.few_shot)
    _next(report.targets, settings)


def show_report(report: Report) -> None:
    """Print the table of the targets, and what it rests on."""
    console.print(f"test scores, mean ± standard deviation over {report.seeds} seed(s)")
    table = _table("target\nfamily\nmetric")
    for name in (
        "n train\nn test", "majority\nclass", "zero-\nshot", "prompt\ntuning", "MPT",
        "MPT - PT\n[95 %]", "PT\nflat",
    ):  # fmt: skip
        table.add_column(name, justify="right")
    for row in report.rows:
        table.add_row(*_cells(row, report.seeds))
    _print(table)
    _notes(report)


def _table(*columns: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    for name in columns:
        table.add_column(name)
    return table


def _print(table: Table) -> None:
    """Print `table` whole: a number that is cut in half is worse than a long line."""
    if _width(table) > console.width:
        table.padding = (0, 0)
    Console(width=max(console.width, _width(table))).print(table)


def _width(table: Table) -> int:
    return console.measure(table, options=console.options.update(width=1000)).maximum


def _cells(row: Row, seeds: int) -> list[str]:
    low, high = row.gain
    mean = row.adapted.mean - row.scratch.mean
    return [
        f"{row.task}\n[dim]{row.family}\n{row.metric}[/]", f"{row.n_train:,}\n{row.n_test:,}",
        f"{row.majority:.1f}", f"{row.zero_shot:.1f}", _scores(row.scratch), _scores(row.adapted),
        f"{mean:+.1f}\n[{low:+.1f}, {high:+.1f}]", f"{row.flat}/{seeds}",
    ]  # fmt: skip


def _scores(scores: Scores) -> str:
    return f"{scores.mean:.1f} ± {scores.deviation:.1f}"


def _notes(report: Report) -> None:
    console.print(
        "Prompt tuning starts from sampled vocabulary, MPT from the source prompt; both get the "
        "same steps, rows and learning rate. The interval is a paired bootstrap over test rows. "
        "PT flat: seeds whose validation score gained no more than a point in its second half."
    )
    source = report.source_version or f"not registered yet: {report.unregistered}"
    console.print(
        f"source prompt: {escape(source)} ({report.source_digest[:12]}), mean validation score "
        f"{report.source_score:.1f}",
        highlight=False,
    )
    for row in report.rows:
        console.print(
            f"  {row.task}: {row.version or 'not registered yet'}", highlight=False, soft_wrap=True
        )
    if report.truncated:
        console.print(f"{report.truncated:,} inputs were longer than allowed, and were cut")
    for warning in report.warnings:
        console.print(f"warning: {escape(warning)}")


def _next(report: Report, settings: Settings) -> None:
    first = report.rows[0].task if report.rows else "multitask"
    served = settings.mlflow.startswith("http")
    console.print(
        "\nWhere to look next:\n"
        f"  prompt-transfer best {first}\n"
        f"  prompt-transfer lineage {report.source_digest[:12]}\n"
        "  prompt-transfer adapt mini_order --from @champion\n"
        f"  {settings.mlflow if served else f'mlflow ui --backend-store-uri {settings.mlflow}'}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def show_learned(learned: Sequence[SourcePrompt]) -> None:
    """Print the source prompts."""
    table = _table("seed", "prompt", "validation (n)", "version")
    for one in learned:
        version = one.version or "not registered yet"
        score = f"{one.validation.value:.1f} ({one.validation.n:,})"
        table.add_row(str(one.seed), one.prompt[:12], score, version)
    _print(table)
    _why_not(one.unregistered for one in learned)
    console.print("next: prompt-transfer adapt TASK --from best", highlight=False)


def show_adapted(tested: Sequence[Tested]) -> None:
    """Print the adapted prompts, each of which stands alone."""
    _show_tested(tested)
    console.print(f"{tested[0].parameters_per_task:,.0f} parameters for each task")


def show_together(group: TestedTogether) -> None:
    """Print a prompt that targets share, and each target's part of it."""
    _show_tested(group.targets)
    console.print(
        f"one P* for {len(group.targets)} tasks, prompt {group.prompt[:12]}: {group.parameters:,} "
        f"parameters, {group.targets[0].parameters_per_task:,.0f} for each task",
        soft_wrap=True,
        highlight=False,
    )


def _show_tested(tested: Sequence[Tested]) -> None:
    table = _table("task", "prompt", "metric", "validation (n)", "test (n)", "version")
    for one in tested:
        table.add_row(
            one.task,
            one.prompt[:12],
            one.test.metric,
            f"{one.validation.value:.1f} ({one.validation.n:,})",
            f"{one.test.value:.1f} ({one.test.n:,})",
            one.version or "not registered yet",
        )
    _print(table)
    _why_not(one.unregistered for one in tested)


def show_baselines(scores: Sequence[BaselineScores]) -> None:
    """Print what other methods reached with the same budget."""
    table = _table("task", "method")
    for name in ("trained", "metric", "validation (n)", "test (n)", "majority"):
        table.add_column(name, justify="right")
    for one in scores:
        table.add_row(
            one.task,
            one.method,
            f"{one.trained:,}",
            one.test.metric,
            f"{one.validation.value:.1f} ({one.validation.n:,})",
            f"{one.test.value:.1f} ({one.test.n:,})",
            f"{one.majority.value:.1f}",
        )
    _print(table)
    console.print(
        "trained: how many numbers. All have the same rows, batches, steps and validations, and a "
        "learning rate of their own: `prompt-transfer methods` says which."
    )


def show_few_shot(rows: Sequence[FewShotRow]) -> None:
    """Print one table for each task that was learned from a few examples."""
    for row in rows:
        console.print(
            f"{row.task}: {row.shots} shots, {row.draws} draw(s), n test {row.n_test:,}; majority "
            f"{row.majority:.1f}, zero-shot {row.zero_shot:.1f}",
            highlight=False,
        )
        table = _table("method")
        first = row.methods[0].method
        for name in (row.metric, "95 %", f"minus {first} [95 %]"):
            table.add_column(name, justify="right")
        table.add_column("best prompt")
        for one in row.methods:
            table.add_row(*_few_shot_cells(one, row.methods[0]))
        _print(table)
    console.print(
        "Mean ± standard deviation over draws; all methods have the same examples, in the same "
        "template. Intervals draw both draws and test rows anew."
    )


def _few_shot_cells(one: MethodScores, first: MethodScores) -> list[str]:
    (low, high), (worse, better) = one.interval, one.gain
    mean = one.scores.mean - first.scores.mean
    gain = f"{mean:+.1f} [{worse:+.1f}, {better:+.1f}]" if one is not first else ""
    version = one.version or "not registered yet"
    return [one.method, _scores(one.scores), f"{low:.1f} to {high:.1f}", gain, version]


def show_few_shot_report(report: FewShotReport) -> None:
    """Print what few-shot jobs found."""
    show_few_shot(report.rows)
    _why_not([report.unregistered])
    console.print(f"next: prompt-transfer best {report.rows[0].task}", highlight=False)


def _why_not(reasons: Iterable[str]) -> None:
    for reason in dict.fromkeys(filter(None, reasons)):
        console.print(f"not registered yet: {escape(reason)}", highlight=False)
