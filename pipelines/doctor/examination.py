"""The whole examination: schema first, since nothing can be asked of a broken database."""

from collections.abc import Callable, Iterator

from pipelines.doctor import contents, leftovers, mirror, schema, untold, work
from pipelines.doctor.finding import Finding, Home, Skipped

PARTS: dict[str, Callable[[Home], Iterator[Finding | Skipped]]] = {
    "schema": schema.drift,
    "runs": work.findings,
    "store": contents.findings,
    "leftovers": leftovers.findings,
    "registry": mirror.findings,
    "outbox": untold.findings,
}
"""In this order: a dead run keeps nobody's files, and what the store gets back can be told."""


def examine(home: Home) -> Iterator[Finding | Skipped]:
    """Yield what is wrong, one by one; whoever mends a finding does so before it asks for the next.

    Nothing is changed here, and rows and files are looked at in portions.
    """
    broken = list(schema.broken(home))
    yield from broken
    if broken:
        again = list(schema.broken(home))  # unless it was mended
        yield from (one for one in again if one not in broken)
        if again:
            yield Skipped("the rest", "lineage cannot be asked before its schema is mended")
            return
    for part, check in PARTS.items():
        try:
            yield from check(home)
        except OSError as error:
            yield Skipped(part, str(error))
