"""The whole examination: schema first, since nothing can be asked of a broken database."""

from collections.abc import Iterator

from pipelines.doctor import contents, leftovers, mirror, schema, untold, work
from pipelines.doctor.finding import Finding, Home, Skipped


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
    yield from schema.drift(home)
    yield from work.findings(home)
    yield from contents.findings(home)
    yield from leftovers.findings(home)
    yield from mirror.findings(home)
    yield from untold.findings(home)
