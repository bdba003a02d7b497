"""Many processes that record at once: `python -m benchmarks.lineage_crowd --url URL`.

They train on the same new rows, in another order each, make the same bytes now and then, and score
the same prompts. Afterwards all that they recorded must be there.
"""

import argparse
import multiprocessing
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

from sqlalchemy import text

from benchmarks.lineage_inserts import digest, fill_in, request, rows
from pipelines.lineage import Lineage
from pipelines.recording import ScoreInfo
from pipelines.records import Request

TASKS = [f"crowd{place}" for place in range(6)]
FAMOUS = ("shared by all", "and this one", "and that one")  # prompts that everybody scores


def crowd(url: str, locks: Path, processes: int, each: int) -> list[tuple[str, str]]:
    """Let so many processes record so many runs each; return the ids of runs and their prompts.

    The process that calls this must have no thread, since it is forked.
    """
    lineage = Lineage.open(url, locks)
    famous = [_train(lineage, Random(name), name)[1] for name in FAMOUS]
    lineage.close()
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        jobs = [(url, locks, who, each, famous) for who in range(processes)]
        return [one for some in pool.starmap(_work, jobs, chunksize=1) for one in some]


def _work(
    url: str, locks: Path, who: int, each: int, famous: Sequence[str]
) -> list[tuple[str, str]]:
    lineage, random = Lineage.open(url, locks), Random(who)
    done = []
    for number in range(each):
        name = f"{famous[0]} {who} {number}"
        if number % 3 == 2:
            done.append(_evaluate(lineage, random, name, famous))
        else:
            done.append(_train(lineage, random, name, same=number % 5 == 0))
    lineage.close()
    return done


def _asked(random: Random, name: str) -> Request:
    tasks = random.sample(TASKS, len(TASKS))
    return replace(
        request(name, ()),
        datasets={
            "train": [rows(task, "train") for task in tasks],
            "validation": [rows(task, "validation") for task in tasks],
        },
    )


def _train(lineage: Lineage, random: Random, name: str, same: bool = False) -> tuple[str, str]:
    asked = _asked(random, name)
    with lineage.record(asked) as run:
        fill_in(run, asked)
        assert run.prompt is not None, "just filled in"
        if same:
            run.prompt = replace(run.prompt, sha=digest("the same bytes"))
    return run.id, run.prompt.sha


def _evaluate(
    lineage: Lineage, random: Random, name: str, famous: Sequence[str]
) -> tuple[str, str]:
    shas = random.sample(famous, len(famous))
    asked = replace(_asked(random, name), stage="evaluate", reads={"evaluated": shas})
    with lineage.record(asked) as run:
        answers = digest(f"{run.id} answers")
        test = rows(random.choice(TASKS), "test")
        run.scores.append(ScoreInfo(test, "accuracy", 60.0, 500, True, answers))
    return run.id, shas[0]


QUESTIONS = {
    "completed runs": "SELECT 1 FROM run WHERE id = :run AND status = 'completed'",
    "links to prompts": "SELECT 1 FROM run_prompt WHERE run_id = :run AND prompt_sha = :sha",
    "scores": "SELECT 1 FROM score WHERE run_id = :run AND is_primary",
    "edges": "SELECT 1 FROM edge WHERE run_id = :run AND parent_sha = :sha",
    "links to rows": (
        f"SELECT COUNT(*) FROM run_dataset WHERE run_id = :run HAVING COUNT(*) = {2 * len(TASKS)}"
    ),
    "places in the registry": "SELECT 1 FROM registration WHERE prompt_sha = :sha",
    "items of the outbox": (
        "SELECT COUNT(*) FROM outbox WHERE what = 'prompt' AND subject = :sha HAVING COUNT(*) = 2"
    ),
}


def lost(url: str, locks: Path, done: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Return how much is not there of what was recorded, where anything is not."""
    lineage = Lineage.open(url, locks)
    with lineage.database.reading() as connection:
        found = {
            what: sum(
                connection.scalar(text(asked), {"run": run, "sha": sha}) is None
                for run, sha in done
            )
            for what, asked in QUESTIONS.items()
        }
    lineage.close()
    return {what: many for what, many in found.items() if many}


def main() -> None:
    """Let processes record, and say what was lost; exit with 1 if anything was."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--locks", type=Path, required=True, help="a folder for lock files")
    parser.add_argument("--processes", type=int, default=16)
    parser.add_argument("--each", type=int, default=50, help="runs of each process")
    args = parser.parse_args()
    began = time.perf_counter()
    done = crowd(args.url, args.locks, args.processes, args.each)
    seconds = time.perf_counter() - began
    gone = lost(args.url, args.locks, done)
    print(
        f"{len(done)} runs of {args.processes} processes in {seconds:.1f} s; lost: {gone or None}"
    )
    sys.exit(bool(gone))


if __name__ == "__main__":
    main()
