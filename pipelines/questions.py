"""What users ask of lineage. Each question is one SQL statement: docs/queries.md has them all.

`ancestry(lineage.database, "3f9a2c").answer()` asks; `.frame()` makes a DataFrame of the answer,
and `.sql` of the question is its statement.
"""

from datetime import UTC, datetime
from functools import partial

from pipelines.going_on import with_next_steps
from pipelines.ids import SHOWN, UnknownId
from pipelines.reader import Asked
from pipelines.side_by_side import Pair, side_by_side
from pipelines.statements import Question
from pipelines.things import KINDS, Kind, find
from pipelines.transfer_gain import with_intervals

EVER = datetime(1970, 1, 1, tzinfo=UTC)
FEW = 20


def ancestry(database: Asked, given: str) -> Question:
    """Ask what something was made from.

    Args:
        database: of lineage.
        given: the id, or its first 6 or more digits, of a prompt, run, dataset, backbone, template,
            checkpoint, adapter or predictions.

    Returns:
        A question; its answer has a row for each link between two things: generation (how often,
        in between, something was made of a prompt: 0..64), type, id, role, of_id, title, detail,
        status, started_at (UTC), value (points), n (examples).

    Raises:
        UnknownId: nothing has this id, or several things have.
    """
    return _about(database, "ancestry", given, *KINDS)


def descent(database: Asked, given: str) -> Question:
    """Ask what came of something; arguments, columns and errors are those of `ancestry`."""
    return _about(database, "descent", given, *KINDS)


def impact(database: Asked, given: str) -> Question:
    """Ask what no longer holds if a dataset, a prompt or a backbone is withdrawn.

    Returns:
        A question; its answer has a row for each prompt, version, adapter, predictions and score
        that rests on it: generation (0..64), type, id, title, champion ("yes" or None), run_id,
        of_id, role, value (points), n (examples).

    Raises:
        UnknownId: no dataset, prompt or backbone has this id, or several have.
    """
    return _about(database, "impact", given, "dataset", "prompt", "backbone")


def shared(database: Asked, given: str) -> Question:
    """Ask which runs read a dataset, a prompt or a backbone; or what another run read too.

    Returns:
        A question; its answer has a row for each run and input: run_id, stage, task, seed, status,
        started_at (UTC), role, input_type, input_id.

    Raises:
        UnknownId: no dataset, prompt, backbone or run has this id, or several have.
    """
    return _about(database, "shared", given, "dataset", "prompt", "backbone", "run")


def compare(database: Asked, a: str, b: str, pair: Pair | None = None) -> Question:
    """Ask in what two prompts differ: recipe, data and ancestors, scores.

    Args:
        database: of lineage.
        a: a digest, or 6 or more digits of it.
        b: another one.
        pair: takes the interval of two scores on the same rows from what was answered; see
            `pipelines.pairing`. Without it, and where it knows none, it is Newcombe's.

    Returns:
        A question; its answer has a row for each value of the recipes that differs, for all that
        was read, and for each score: what (spec, data, prompt, backbone or score), name, a, b (a
        value; rows, tokens or parameters, None where it was not read; points), difference (points,
        a minus b), low, high (its 95 % interval), interval (how that was taken), sha (of what was
        read, or of what the scores were taken on).

    Raises:
        UnknownId: no prompt has one of the ids, or several have.
    """
    with database.asking() as reader:
        binds = {side: find(reader, given, ["prompt"]).id for side, given in (("a", a), ("b", b))}
    return Question(database, "compare", binds, partial(side_by_side, pair=pair))


def matrix(database: Asked, backbone: str | None = None) -> Question:
    """Ask how much each set of source tasks helps each target, over prompt tuning from scratch.

    Args:
        database: of lineage.
        backbone: its name, its digest, or 6 or more digits of that; None is all.

    Returns:
        A question; its answer has a row for each source set, target and budget: sources, target,
        backbone, backbone_sha, train_sha, steps, batch_size (examples), tokens, split, dataset_sha,
        n (examples), metric, transfer, scratch, gain (points), transfer_seeds, scratch_seeds,
        transfer_low, transfer_high, scratch_low, scratch_high, low, high (points; the 95 %
        interval of the gain), negative (yes, maybe or no).

    Raises:
        UnknownId: no backbone has this name or id, or several have.
    """
    sha = _backbone(database, backbone) if backbone else ""
    return Question(database, "matrix", {"backbone": sha}, with_intervals)


def cost(database: Asked, prompt: str | None = None, limit: int = FEW) -> Question:
    """Ask what a prompt cost, or which prompts cost most.

    Args:
        database: of lineage.
        prompt: its digest, or 6 or more digits of it; None is the dearest.
        limit: how many of the dearest.

    Returns:
        A question; its answer has a row for each prompt: prompt_sha, kind, task, seconds, steps,
        examples, trained (numbers), attempts, lost_seconds, ancestors (prompts), ancestor_seconds,
        ancestor_steps, ancestor_examples, ancestor_attempts, ancestor_lost_seconds, total_seconds.

    Raises:
        UnknownId: no prompt has this id, or several have.
    """
    sha = ""
    if prompt:
        with database.asking() as reader:
            sha = find(reader, prompt, ["prompt"]).id
    return Question(database, "cost", {"prompt": sha, "limit": limit})


def failures(database: Asked, since: datetime = EVER, limit: int = FEW) -> Question:
    """Ask which runs have failed or were abandoned, the newest first.

    Args:
        database: of lineage.
        since: runs that started in that second or later; with a time zone.
        limit: how many.

    Returns:
        A question; its answer has a row for each run: run_id, stage, task, seed, status, started_at
        (UTC), seconds, error, attempt, attempts, later (completed, running or none), later_id,
        source_sha, spec (JSON), next (what to do, None for nothing).
    """
    # Whole seconds: SQLite compares text, and "52.175968" comes after "52+00:00" there.
    moment = since.astimezone(UTC).isoformat(sep=" ", timespec="seconds")
    return Question(database, "failures", {"since": moment, "limit": limit}, with_next_steps)


def _about(database: Asked, name: str, given: str, *kinds: Kind) -> Question:
    with database.asking() as reader:
        return Question(database, name, {"id": find(reader, given, kinds).id})


def _backbone(database: Asked, given: str) -> str:
    """Return the digest of a backbone, by its name or by digits of it."""
    with database.asking() as reader:
        known = reader.ask("SELECT sha, name FROM backbone ORDER BY sha").rows
        found = [sha for sha, name in known if name == given]
        if len(found) > 1:
            raise UnknownId("backbone", given, [one[:SHOWN] for one in found])
        return found[0] if found else find(reader, given, ["backbone"]).id
