"""Two prompts beside each other: in what their recipes, their data and their scores differ."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pipelines.intervals import Interval, apart
from pipelines.statements import Answer

COLUMNS = ("what", "name", "a", "b", "difference", "low", "high", "interval", "sha")
INPUTS = ("data", "prompt", "backbone")
PAIRED, UNPAIRED = "paired bootstrap", "Newcombe"

Fact = dict[str, Any]
"""A row of `sql/compare.sql`."""
Pair = Callable[[Fact, Fact], Interval | None]
"""Takes the interval of one score minus another on the same rows; None where it cannot."""


def side_by_side(facts: Answer, pair: Pair | None) -> Answer:
    """Return what differs in the recipes of a and b; of what they read and scored, all there is."""
    known = facts.records()
    rows = [*_specs(known), *_inputs(known), *_scores(known, pair)]
    return Answer(COLUMNS, tuple(rows))


def _of(
    facts: Sequence[Fact], what: str, key: Sequence[str]
) -> dict[tuple[Any, ...], dict[str, Fact]]:
    """Return the facts of one sort by `key`, and then by side."""
    found: dict[tuple[Any, ...], dict[str, Fact]] = {}
    for fact in facts:
        if fact["what"] == what:
            found.setdefault(tuple(fact[name] for name in key), {})[fact["side"]] = fact
    return found


def _specs(facts: Sequence[Fact]) -> Iterator[tuple[Any, ...]]:
    sides: dict[str, dict[str, Any]] = {"a": {}, "b": {}}
    for fact in facts:
        if fact["what"] == "spec":
            told = {"stage": fact["role"], **json.loads(fact["text"])}
            sides[fact["side"]] = flat(told)
    for name in sorted({*sides["a"], *sides["b"]}):
        ours, theirs = (sides[side].get(name) for side in ("a", "b"))
        if ours != theirs:
            yield ("spec", name, ours, theirs, None, None, None, None, None)


def flat(spec: Mapping[str, Any], under: str = "") -> dict[str, Any]:
    """Return a recipe with dotted keys; a list is one value, as JSON."""
    found: dict[str, Any] = {}
    for name, value in spec.items():
        if isinstance(value, dict):
            found |= flat(value, f"{under}{name}.")
        else:
            found[f"{under}{name}"] = json.dumps(value) if isinstance(value, list) else value
    return found


def _inputs(facts: Sequence[Fact]) -> Iterator[tuple[Any, ...]]:
    for what in INPUTS:
        for (role, name, sha), sides in _of(facts, what, ("role", "name", "sha")).items():
            sizes = [sides[side]["n"] if side in sides else None for side in ("a", "b")]
            yield (what, f"{role} {name}", *sizes, None, None, None, None, sha)


def _scores(facts: Sequence[Fact], pair: Pair | None) -> Iterator[tuple[Any, ...]]:
    found = _of(facts, "score", ("role", "name", "sha", "metric"))
    for (split, task, sha, metric), sides in found.items():
        values = [sides[side]["value"] if side in sides else None for side in ("a", "b")]
        gain = _gain(sides["a"], sides["b"], pair) if len(sides) == 2 else (None, None, None, None)
        yield ("score", f"{split} {metric} on {task}", *values, *gain, sha)


def _gain(ours: Fact, theirs: Fact, pair: Pair | None) -> tuple[Any, ...]:
    gain = ours["value"] - theirs["value"]
    if pair and (paired := pair(ours, theirs)):
        return gain, *paired, PAIRED
    found = apart(ours["value"], _interval(ours), theirs["value"], _interval(theirs))
    return (gain, *found, UNPAIRED) if found else (gain, None, None, None)


def _interval(score: Fact) -> Interval | None:
    return None if score["low"] is None else (score["low"], score["high"])
