"""Runs that say that they are under way, and are not."""

from collections.abc import Iterator
from functools import partial

from pipelines.doctor.finding import Finding, Home
from pipelines.heartbeat import SILENT, Silent, give_up, silent_runs


def findings(home: Home) -> Iterator[Finding]:
    """Yield the running runs that nobody works on."""
    lineage = home.lineage

    def mend(run: Silent) -> None:
        give_up(lineage.database, lineage.locks, run, lineage.sinks)

    for one in silent_runs(lineage.database, lineage.locks, SILENT):
        yield Finding(
            "runs",
            f"run {one.id[:12]} ({one.stage} {one.task}) is running, and was last heard of at "
            f"{one.seen:%Y-%m-%d %H:%M} UTC; nobody works on it",
            "marks it abandoned: whoever asks for it again goes on from its checkpoint",
            partial(mend, one),
        )
