"""The commands about the best prompts: which they are, and which is champion."""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter, validators

from flows.options import Common, print_json

if TYPE_CHECKING:
    from pipelines.best import Best, Wanted
    from pipelines.suggest import Near

Shared = Annotated[Common | None, Parameter(name="*")]
SHOWN = 3  # source prompts that are suggested to people; --json has all
AtLeastOne = Parameter(validator=validators.Number(gte=1))


class NotBoth(ValueError):
    """A task is named, and all are asked for; or neither."""

    def __init__(self) -> None:
        super().__init__("best takes a TASK, or --all for every task: give one of the two")


def best(
    task: str | None = None,
    /,
    *,
    every: Annotated[bool, Parameter(name="--all", negative="")] = False,
    metric: str | None = None,
    backbone: str | None = None,
    max_params: Annotated[int | None, AtLeastOne] = None,
    k_shot: Annotated[int | None, AtLeastOne] = None,
    from_mlflow: bool = False,
    common: Shared = None,
) -> None:
    """Say which prompt is best for a task, or for each, by validation score.

    For a task that has none it says which source prompt to start from, and why (exit status 3).

    Parameters
    ----------
    task
        The task, or the YAML file of one of your own; "multitask" asks for the best source prompt,
        "group" for the best that targets share.
    every
        The best prompt of each task that has one.
    metric
        Compare by this metric, instead of the one that tables report.
    backbone
        Only prompts for this backbone: its name, or 6 or more digits of its digest.
    max_params
        Only prompts for which no more numbers than these were trained.
    k_shot
        Only prompts that learned from so many examples.
    from_mlflow
        Ask MLflow's model registry instead of lineage.
    """
    from flows import queries
    from pipelines.best import Wanted

    common = common or Common()
    common.use()
    if (task is None) != every:
        raise NotBoth
    wanted = Wanted(metric, backbone, max_params, k_shot)
    if task is None:
        found = queries.best_of_all(wanted, from_mlflow)
        print_json([asdict(one) for one in found]) if common.json else _show_all(found)
        return
    try:
        one = queries.best_prompt(task, wanted, from_mlflow)
    except queries.NoPrompt:
        _suggest(task, wanted, common.json)
        raise
    print_json(asdict(one)) if common.json else _show(one)


def promote(
    prompt: str,
    /,
    *,
    task: str | None = None,
    force: str | None = None,
    archive: bool = False,
    common: Shared = None,
) -> None:
    """Make a prompt the champion of its task and backbone, if it passes the gate.

    The first champion must beat the majority class on validation; each after that the champion
    before it, on the same examples, with a one-sided p under 0.1. Its adapter must load.

    Parameters
    ----------
    prompt
        A digest, or the first 6 digits of one.
    task
        What it was made for, should it have been made for several.
    force
        Promote it whatever the gate says, for this reason, which is recorded.
    archive
        Take it out of the running instead; a champion leaves its place empty.
    """
    from flows import standings

    common = common or Common()
    common.use()
    said = standings.archive(prompt, task) if archive else standings.promote(prompt, task, force)
    print_json(said) if common.json else sys.stdout.write(f"{said['said']}\n")


def rollback(
    task: str, /, *, reason: str, backbone: str | None = None, common: Shared = None
) -> None:
    """Make the champion before this one champion again.

    Parameters
    ----------
    task
        The task.
    reason
        Why; it is recorded.
    backbone
        For which backbone, should there be champions for several: a name, or digits of its digest.
    """
    from flows import standings

    common = common or Common()
    common.use()
    said = standings.restore(task, backbone, reason)
    print_json(said) if common.json else sys.stdout.write(f"{said['said']}\n")


def moves(
    task: str | None = None,
    /,
    *,
    limit: Annotated[int, AtLeastOne] = 20,
    common: Shared = None,
) -> None:
    """Print which prompts became champion, or did not, and why; newest first.

    Parameters
    ----------
    task
        Of this task only.
    limit
        So many at most.
    """
    from flows import standings

    common = common or Common()
    common.use()
    found = standings.moves(task, limit)
    print_json([asdict(one) for one in found]) if common.json else standings.show_moves(found)


def publish(*, common: Shared = None) -> None:
    """Judge what is new, and tell MLflow what it was not told yet; flows do this at their end."""
    from flows import standings

    common = common or Common()
    common.use()
    said = standings.publish()
    print_json(said) if common.json else sys.stdout.write(f"{said['said']}\n")


def _suggest(task: str, wanted: "Wanted", as_json: bool) -> None:
    """Print which source prompts a new task could start from, if there are any."""
    from flows import queries

    suggested = queries.suggested_sources(task, wanted)
    if suggested is None:
        return
    if as_json:
        print_json(asdict(suggested) | {"prompt": None})
        return
    for one in suggested.sources[:SHOWN]:
        version = f"{one.model}/{one.version}" if one.version else "not registered yet"
        sys.stdout.write(
            f"start from {one.prompt[:12]} ({version}): affinity {one.affinity:.2f}, its mean "
            f"validation score {one.score:.1f}\n"
        )
        sys.stdout.writelines(f"  {_evidence(near)}\n" for near in one.evidence)
    if suggested.skipped:
        sys.stdout.write(f"not compared, rows are not here: {', '.join(suggested.skipped)}\n")
    sys.stdout.write(f"prompt-transfer adapt {task} --from {suggested.sources[0].prompt[:12]}\n")


def _evidence(near: "Near") -> str:
    if near.target is None:
        return f"{near.similarity:.2f}  rows like those of its source task {near.source_task}"
    reached = "" if near.score is None else f", which reached {near.score:.1f} from it"
    scratch = "" if near.scratch is None else f" and {near.scratch:.1f} from scratch"
    return (
        f"{near.similarity:.2f}  rows {near.rows:.2f} like those of {near.target}{reached}{scratch}"
        f"; its task vector is {near.vectors:.2f} like that of {near.source_task}"
    )


def _show(best: "Best") -> None:
    """Print the best prompt of a task."""
    test = _score(best.test_score, best.test_interval, best.test_n)
    version = f"{best.model} version {best.version}" if best.version else "not registered yet"
    alias = f" ({best.alias})" if best.alias else ""
    learned = f" from {best.shots} examples" if best.shots else ""
    facts = {
        "prompt": best.prompt,
        "kind": f"{best.kind} prompt for {best.task}{learned}, {best.parameters:,} numbers",
        f"validation {best.metric}": _score(best.score, best.interval, best.n),
        f"test {best.metric}": test,
        "registered": f"{version}{alias}",
        "backbone": f"{best.backbone} {best.backbone_sha}",
        "run": best.lineage,
    }
    # Not a table of rich: that would fold the digest, which is there to be copied.
    width = max(map(len, facts)) + 2
    sys.stdout.write("".join(f"{name:<{width}}{value}\n" for name, value in facts.items()))


def _show_all(found: Sequence["Best"]) -> None:
    from flows.columns import aligned

    head = ("task", "prompt", "kind", "metric", "validation (n)", "test (n)", "version", "backbone")
    rows = [
        (
            one.task, one.prompt[:12], one.kind, one.metric, _short(one.score, one.n),
            _short(one.test_score, one.test_n),
            f"{one.version or '-'}{f' {one.alias}' if one.alias else ''}", one.backbone,
        )
        for one in found
    ]  # fmt: skip
    sys.stdout.write(aligned(head, rows) if rows else "no prompt is recorded here\n")


def _short(value: float | None, n: int | None) -> str:
    return "-" if value is None else f"{value:.1f} ({n:,})"


def _score(value: float | None, interval: tuple[float, float] | None, n: int | None) -> str:
    if value is None:
        return "not tested"
    sure = f", 95 % {interval[0]:.2f} to {interval[1]:.2f}" if interval else ""
    return f"{value:.2f} (n = {n:,}{sure})"
