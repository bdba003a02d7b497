"""Who is champion: each move is decided here, in one transaction, and is a row in lineage."""

from pipelines import registration, standing
from pipelines.gate import Verdict, judge
from pipelines.lineage import Lineage
from pipelines.registration import Candidate
from pipelines.relay import Delivered, deliver
from pipelines.standing import Decision
from pipelines.store import Store


class Refused(ValueError):
    """The gate does not let a prompt be champion."""

    def __init__(self, one: Candidate, why: str, can_force: bool) -> None:
        instead = "; --force 'REASON' promotes it all the same" if can_force else ""
        super().__init__(
            f"prompt {one.prompt_sha[:12]} does not become champion of {one.model_name}: "
            f"{why}{instead}"
        )


class NothingBefore(LookupError):
    """There is no earlier champion to go back to."""

    names_a_prompt = True

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} has no champion that replaced another: `prompt-transfer moves` shows what was"
        )


def promote(
    prompt_sha: str, task: str, lineage: Lineage, store: Store, reason: str | None = None
) -> Verdict:
    """Make a prompt the champion of its model name, if the gate lets it.

    Args:
        prompt_sha: the prompt, which has a place in the registry for `task`.
        task: what it was made for.
        lineage: where this is decided.
        store: where its bytes, and the answers, are.
        reason: why it is promoted whatever the gate says; only what cannot be loaded is refused.

    Raises:
        Refused: the gate does not let it; that is noted.
        Outrun: another became champion meanwhile.
    """
    one, verdict, before = _judge(prompt_sha, task, lineage, store)
    if one.standing == "champion":
        return verdict
    if verdict.loads or (verdict.against and reason is None):
        _decline(one, verdict, before, lineage)
        raise Refused(one, verdict.loads or verdict.against, can_force=not verdict.loads)
    move = "promoted" if verdict.passed else "forced"
    decided = Decision(move, before, verdict.evidence(), reason)
    with lineage.database.writing() as connection:
        standing.crown(connection, one, decided)
    return verdict


def review(lineage: Lineage, store: Store) -> Delivered:
    """Let the gate judge every new prompt, oldest first; who fails it keeps its place.

    One that is outrun stays due, and is judged again by the next review.

    Raises:
        Busy: another process has been reviewing for minutes.
    """
    return deliver(lineage, "gate", lambda item: _review(item.subject, lineage, store))


def _review(prompt_sha: str, lineage: Lineage, store: Store) -> list[str]:
    with lineage.database.reading() as connection:
        found = registration.candidates(connection, prompt_sha)
    promoted = []
    for one in (one for one in found if one.standing == "candidate"):
        try:
            promote(one.prompt_sha, one.task, lineage, store)
        except Refused:
            continue
        promoted.append(one.model_name)
    return promoted


def restore(name: str, lineage: Lineage, reason: str) -> str:
    """Give the place of a model's champion back to the one that it replaced; return its digest.

    Raises:
        NothingBefore: there is no champion, or it replaced nobody.
    """
    with lineage.database.writing() as connection:
        now_champion = registration.champion(connection, name)
        before = standing.replaced_by(connection, name, now_champion) if now_champion else None
        if before is None:
            raise NothingBefore(name)
        one = standing.named(connection, name, before)
        standing.crown(connection, one, Decision("restored", now_champion, reason=reason))
    return before


def archive(prompt_sha: str, task: str, lineage: Lineage, reason: str | None = None) -> None:
    """Take a prompt out of the running; a champion leaves its place empty."""
    with lineage.database.writing() as connection:
        one = registration.candidate(connection, prompt_sha, task)
        standing.stand(connection, one, "archived", Decision("archived", reason=reason))


def _judge(
    prompt_sha: str, task: str, lineage: Lineage, store: Store
) -> tuple[Candidate, Verdict, str | None]:
    """Return the prompt, what the gate says of it, and the champion that it was judged against."""
    with lineage.database.reading() as connection:
        one = registration.candidate(connection, prompt_sha, task)
        before = registration.champion(connection, one.model_name)
        champion = standing.named(connection, one.model_name, before) if before else None
    return one, judge(one, champion, store), before


def _decline(one: Candidate, verdict: Verdict, before: str | None, lineage: Lineage) -> None:
    """Note that the gate refused a prompt; what is better, if not surely, is the challenger."""
    evidence = verdict.evidence() | {"refused": verdict.loads or verdict.against}
    with lineage.database.writing() as connection:
        if verdict.better and verdict.p is not None and standing.leads(connection, one):
            decided = Decision("challenged", before, evidence)
            standing.stand(connection, one, "challenger", decided)
        else:
            standing.note(connection, one, Decision("declined", before, evidence))
