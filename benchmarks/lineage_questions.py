"""How long questions to a large lineage take, in a warm process and as whole commands."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

from sqlalchemy import Connection, text

from benchmarks.lineage_campaigns import BIG, EASY, RARE_SHOTS, RENEWED, SMALL
from benchmarks.lineage_timing import Timing, timed
from pipelines import outbox
from pipelines.best import Wanted
from pipelines.lineage import Lineage
from pipelines.records import MULTITASK
from pipelines.statements import ask

DEPTH, DEEP = 12, 30  # generations behind a prompt, and how many such prompts are asked for
LOOKS = 5_000  # prompts among which those are looked for
QUICK, SLOW, COMMANDS = 60, 5, 9  # how often something is asked
FILTERS = {
    "the rarest number of shots": Wanted(shots=RARE_SHOTS),
    "a number of shots that nobody has": Wanted(shots=99),
    "the fewest parameters": Wanted(max_parameters=5_000),
    "too few parameters": Wanted(max_parameters=1),
    "the rarest backbone": Wanted(backbone="models/rare"),
    "a backbone that nobody has": Wanted(backbone="nobody"),
    "a second metric that few have": Wanted(metric="f1"),
}

WALK = text(
    "WITH RECURSIVE walk (sha, generation) AS (SELECT CAST(:sha AS TEXT), 0 UNION "
    "SELECT edge.parent_sha, generation + 1 FROM walk CROSS JOIN edge "
    "WHERE edge.child_sha = walk.sha AND generation < 64) "
    "SELECT sha, MIN(generation) FROM walk GROUP BY sha"
)

Works = dict[str, Callable[[int], Any]]


def ancestors(connection: Connection, sha: str) -> dict[str, int]:
    """Return the prompts behind one, itself too, with the generations in between."""
    return dict(connection.execute(WALK, {"sha": sha}).tuples().all())


def deep_prompts(lineage: Lineage, seed: int = 0) -> dict[str, int]:
    """Return prompts with DEPTH generations behind them, and how many ancestors each has."""
    found: dict[str, int] = {}
    with lineage.database.reading() as connection:
        for sha in _some_prompts(connection, Random(seed)):
            behind = ancestors(connection, sha)
            if max(behind.values()) == DEPTH:
                found[sha] = len(behind) - 1
            if len(found) == DEEP:
                break
    return found


def _some_prompts(connection: Connection, random: Random) -> Iterator[str]:
    after = text("SELECT sha FROM prompt WHERE sha > :sha ORDER BY sha LIMIT 1")
    for _ in range(LOOKS):
        if sha := connection.scalar(after, {"sha": random.randbytes(32).hex()}):
            yield str(sha)


def quick(lineage: Lineage, deep: list[str]) -> dict[str, Timing]:
    """Return how long a person waits who asks one thing."""
    known = lineage.database

    def walk(at: int) -> object:
        with known.reading() as connection:
            return ancestors(connection, deep[at % len(deep)])

    def due(at: int) -> object:
        with known.reading() as connection:
            return outbox.waiting(connection), outbox.due(connection, "registry", 500)

    works: Works = {
        f"ancestry of depth {DEPTH}: the walk": walk,
        f"ancestry of depth {DEPTH}: the tree": lambda at: lineage.ancestry(deep[at % len(deep)]),
        **_asking(lineage, "ancestry", deep),
        **{f"best {task}": _best(lineage, task) for task in (BIG, EASY, MULTITASK, SMALL)},
        "outbox: what waits, and the next 500": due,
    }
    return timed(works, QUICK)


def slow(lineage: Lineage) -> dict[str, Timing]:
    """Return how long questions take that look at much, or for what is rare."""
    works: Works = {
        **{f"best {BIG}, {name}": _best(lineage, BIG, one) for name, one in FILTERS.items()},
        "best --all": lambda at: lineage.best_of_all(),
        "best --all, the rarest backbone": lambda at: lineage.best_of_all(
            Wanted(backbone="models/rare")
        ),
        **_asking(lineage, "descent", [busy_dataset(lineage, BIG)]),
    }
    return timed(works, SLOW)


def busy_dataset(lineage: Lineage, task: str) -> str:
    """Return the rows of a task that about RENEWED runs were trained on."""
    asked = text(
        "SELECT sha FROM dataset JOIN run_dataset ON dataset_sha = sha AND role = 'train' "
        "WHERE task = :task AND num_rows > 1000 "
        "GROUP BY sha ORDER BY ABS(COUNT(*) - :wanted), sha LIMIT 1"
    )
    with lineage.database.reading() as connection:
        return str(connection.scalar(asked, {"task": task, "wanted": RENEWED}))


def _best(lineage: Lineage, task: str, wanted: Wanted | None = None) -> Callable[[int], Any]:
    return lambda at: lineage.best(task, wanted or Wanted())


def _asking(lineage: Lineage, name: str, ids: list[str]) -> Works:
    """Return what asks a statement of `pipelines/sql`."""

    def asked(at: int) -> object:
        with lineage.database.asking() as reader:
            return ask(reader, name, {"id": ids[at % len(ids)]})

    return {f"{name}.sql": asked}


def commands(url: str, home: Path, deep: list[str]) -> dict[str, Timing]:
    """Return how long whole commands take, from the shell to their answer."""
    variables = {"PROMPT_TRANSFER_LINEAGE_URL": url, "PROMPT_TRANSFER_HOME": str(home)}

    def run(*words: str) -> None:
        command = [sys.executable, "-m", "flows", *words]
        subprocess.run(command, env=os.environ | variables, check=True, capture_output=True)

    works: Works = {
        "prompt-transfer --version": lambda at: run("--version"),
        f"prompt-transfer best {BIG}": lambda at: run("best", BIG),
        "prompt-transfer best --all": lambda at: run("best", "--all"),
        "prompt-transfer lineage ID": lambda at: run("lineage", deep[at % len(deep)]),
    }
    return timed(works, COMMANDS)
