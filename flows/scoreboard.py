"""The scores at the end of a run, for people, on stdout."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from flows.running import Learned, Tested
from flows.settings import Settings
from pipelines.report import Report, Row, Scores

console = Console()


def show_report(report: Report, settings: Settings) -> None:
    """Print the table of a transfer, what it rests on, and where to look next."""
    seeds = report.seeds
    table = Table(title=f"test scores, mean ± standard deviation over {seeds} seed(s)")
    for name in ("target", "family", "metric"):
        table.add_column(name)
    for name in (
        "n train", "n test", "majority", "zero-shot", "prompt tuning", "MPT", "MPT - PT [95 %]",
        "PT flat",
    ):  # fmt: skip
        table.add_column(name, justify="right")
    for row in report.rows:
        table.add_row(*_cells(row, seeds))
    console.print(table)
    _notes(report)
    _next(report, settings)


def _cells(row: Row, seeds: int) -> list[str]:
    low, high = row.gain
    mean = row.adapted.mean - row.scratch.mean
    return [
        row.task, row.family, row.metric, f"{row.n_train:,}", f"{row.n_test:,}",
        f"{row.majority:.1f}", f"{row.zero_shot:.1f}", _scores(row.scratch), _scores(row.adapted),
        f"{mean:+.1f} [{low:+.1f}, {high:+.1f}]", f"{row.flat}/{seeds}",
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
        f"source prompt: {source} ({report.source_digest[:12]}), mean validation score "
        f"{report.source_score:.1f}"
    )
    for row in report.rows:
        console.print(f"  {row.task}: {row.version or 'not registered yet'}", highlight=False)
    if report.truncated:
        console.print(f"{report.truncated:,} inputs were longer than allowed, and were cut")
    for warning in report.warnings:
        console.print(f"warning: {escape(warning)}")


def _next(report: Report, settings: Settings) -> None:
    first = report.rows[0].task if report.rows else "multitask"
    console.print(
        "\nWhere to look next:\n"
        f"  prompt-transfer best {first}\n"
        f"  prompt-transfer lineage {report.source_digest[:12]}\n"
        "  prompt-transfer adapt mini_order --from @champion\n"
        f"  mlflow ui --backend-store-uri {settings.mlflow}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def show_learned(learned: Sequence[Learned]) -> None:
    """Print the source prompts."""
    table = Table("seed", "prompt", "version", "validation", "n")
    for one in learned:
        version = one.version or "not registered yet"
        table.add_row(str(one.seed), one.prompt[:12], version, f"{one.score:.1f}", f"{one.n:,}")
    console.print(table)
    console.print("next: prompt-transfer adapt TASK --from best", highlight=False)


def show_adapted(tested: Sequence[Tested]) -> None:
    """Print the adapted prompts."""
    table = Table("task", "prompt", "version", "metric", "validation (n)", "test (n)")
    for one in tested:
        table.add_row(
            one.task,
            one.prompt[:12],
            one.version or f"not registered yet: {escape(one.unregistered)}",
            one.test.metric,
            f"{one.validation.value:.1f} ({one.validation.n:,})",
            f"{one.test.value:.1f} ({one.test.n:,})",
        )
    console.print(table)
