"""Answers of lineage for people: which columns a table has, and what is said beside it."""

import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any

from flows.columns import aligned, shown
from pipelines.side_by_side import INPUTS, PAIRED, UNPAIRED
from pipelines.statements import Answer

WIDEST = 8  # targets that stand side by side
ERROR = 120  # characters of an error in a table

Row = dict[str, Any]


def show_shared(answer: Answer) -> None:
    """Print the runs that share an input."""
    _table(answer, "no other run read it", answer.columns)


def show_impact(answer: Answer) -> None:
    """Print what rests on something that is withdrawn."""
    columns = ("generation", "type", "id", "title", "value", "champion", "role", "run_id")
    _table(answer, "nothing rests on it", columns)
    if answer.rows:
        counts = Counter(row["type"] for row in answer.records())
        counts["champion"] = sum(row["champion"] == "yes" for row in answer.records())
        _say(f"\nin all: {', '.join(f'{kind} {count:,}' for kind, count in counts.items())}")


def show_cost(answer: Answer) -> None:
    """Print what prompts cost."""
    columns = [one for one in answer.columns if one != "ancestor_attempts"]
    _table(answer, "no prompt has been made here", columns)


def show_failures(answer: Answer) -> None:
    """Print the runs that ended badly, and then how to go on."""
    if not answer.rows:
        _say("no run has failed or was abandoned")
        return
    runs = answer.records()
    head = (
        "run_id",
        "stage",
        "task",
        "seed",
        "status",
        "started_at",
        "seconds",
        "attempt",
        "later",
    )
    rows = [
        [*(run[name] for name in head[:-2]), f"{run['attempt']} of {run['attempts']}", run["later"],
         _short(run["error"] or "")]
        for run in runs
    ]  # fmt: skip
    sys.stdout.write(aligned((*head, "error"), rows))
    for next_ in dict.fromkeys(run["next"] for run in runs if run["next"]):
        ids = ", ".join(run["run_id"][:12] for run in runs if run["next"] == next_)
        _say(f"\nto go on from {ids}:\n  {shown(next_)}")


def show_compare(answer: Answer) -> None:
    """Print two prompts side by side."""
    facts = answer.records()
    recipe = [one for one in facts if one["what"] == "spec"]
    whole = [{name: _whole(value) for name, value in one.items()} for one in recipe]
    _section("recipe", ("name", "a", "b"), whole)
    inputs = [one for one in facts if one["what"] in INPUTS]
    _section("read (rows, tokens, parameters)", ("what", "name", "a", "b", "sha"), inputs)
    scores = [one for one in facts if one["what"] == "score"]
    columns = ("name", "a", "b", "difference", "low", "high", "interval", "sha")
    _section("scores", columns, scores)
    ways = {one["interval"] for one in scores}
    if PAIRED in ways:
        _say(f"{PAIRED}: both answered the same rows, and the rows are drawn anew")
    if UNPAIRED in ways:
        _say(f"{UNPAIRED}: as if on different rows, for the answers or rows are not here; too wide")


def _whole(value: object) -> str | None:
    return None if value is None else str(value)  # a learning rate of 1e-5 is not 0.00


def _section(title: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
    _say(f"\n{title}" if rows else f"\n{title}: nothing differs")
    if rows:
        sys.stdout.write(aligned(columns, [[row[name] for name in columns] for row in rows]))


def show_matrix(answer: Answer) -> None:
    """Print gains by source set and target; side by side where that can be read."""
    cells = answer.records()
    if not cells:
        _say("no adaptation has a training from scratch of equal budget beside it")
        return
    targets = list(dict.fromkeys(one["target"] for one in cells))
    places = Counter((one["sources"], one["target"]) for one in cells)
    if len(targets) > WIDEST or max(places.values()) > 1:
        _table(answer, "", LONG)
    else:
        by_place = {(one["sources"], one["target"]): one for one in cells}
        rows = [
            [sources, *(_gain(by_place.get((sources, target))) for target in targets)]
            for sources in dict.fromkeys(one["sources"] for one in cells)
        ]
        sys.stdout.write(aligned(("sources", *targets), rows))
    _say(
        "\ngain in points over prompt tuning from scratch of equal budget, its 95 % interval, and "
        "n seeds of each\n! negative transfer, ? maybe; v: validation scores, not both were tested"
    )


LONG = (
    "sources", "target", "backbone", "steps", "batch_size", "tokens", "split", "metric", "n",
    "transfer", "transfer_seeds", "scratch", "scratch_seeds", "gain", "low", "high", "negative",
)  # fmt: skip


def _gain(one: Row | None) -> str:
    if one is None:
        return ""
    mark = {"yes": "!", "maybe": "?"}.get(one["negative"], "")
    interval = "" if one["low"] is None else f" ({one['low']:+.1f}..{one['high']:+.1f})"
    validated = " v" if one["split"] == "validation" else ""
    seeds = f"{one['transfer_seeds']}|{one['scratch_seeds']}"
    return f"{one['gain']:+.1f}{mark}{interval} n={seeds}{validated}"


def _table(answer: Answer, nothing: str, columns: Sequence[str]) -> None:
    if not answer.rows:
        _say(nothing)
        return
    rows = [[row[name] for name in columns] for row in answer.records()]
    sys.stdout.write(aligned(columns, rows))


def _short(error: str) -> str:
    first = error.partition("\n")[0]
    return first if len(first) <= ERROR else f"{first[: ERROR - 1]}…"


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
