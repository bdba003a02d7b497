"""The gate that a prompt must pass to become champion. It judges, and changes nothing."""

import json
from dataclasses import dataclass
from typing import Any

import tasks
from mpt.peft_format import unpack
from pipelines import references
from pipelines.paired import Answered, mean_gain, one_sided
from pipelines.recall import recall
from pipelines.records import RunRecord, ScoreRecord
from pipelines.registration import Candidate
from pipelines.store import CorruptContent, MissingContent, Store

LEVEL = 0.1
"""A champion falls only to what is better with a one-sided p under this."""


@dataclass(frozen=True)
class Verdict:
    """What the gate says of a prompt."""

    loads: str
    """Why its adapter cannot be loaded; empty if it can. No force helps against this."""
    against: str
    """Why it must not be champion; empty if it may."""
    gain: float | None = None
    """Points by which it beats the champion, or the majority class, on validation."""
    p: float | None = None
    """One-sided, of a gain over the champion; None where none had to be told."""

    @property
    def passed(self) -> bool:
        """Whether it may be champion."""
        return not (self.loads or self.against)

    @property
    def better(self) -> bool:
        """Whether it scores better than what it has to beat, surely or not."""
        return self.gain is not None and self.gain > 0

    def evidence(self) -> dict[str, Any]:
        """Return what lineage keeps of it."""
        return {"loads": not self.loads, "gain": self.gain, "p": self.p, "level": LEVEL}


def judge(challenger: Candidate, champion: Candidate | None, store: Store) -> Verdict:
    """Say whether `challenger` may be champion in place of `champion`, or as the first.

    Its adapter must load. The first must beat the majority class on its validation examples; after
    that it must beat the champion on the same examples, by a paired bootstrap of both answers.
    """
    if broken := _broken(challenger, store):
        return Verdict(broken, "")
    mine = challenger.run.primary("validation")
    if mine is None:
        return Verdict("", "it has no validation score")
    if champion is None:
        return _beats_majority(challenger.run, mine)
    theirs = champion.run.primary("validation")
    if theirs is None or challenger.backbone.sha != champion.backbone.sha:
        return Verdict("", "the champion has another backbone, or no validation score")
    if (mine.dataset_sha, mine.metric) != (theirs.dataset_sha, theirs.metric):
        return Verdict("", "it was validated on other examples than the champion, or otherwise")
    return _beats_champion(challenger.run, champion.run, mine.value - theirs.value, store)


def _broken(one: Candidate, store: Store) -> str:
    try:
        prompt = unpack(store.get(one.prompt_sha))
    except (MissingContent, CorruptContent) as error:
        return str(error)
    shape = tuple(prompt.task(0).shape)
    if shape != (one.num_tokens, one.hidden_size):
        return f"its adapter is {shape}, and lineage says {(one.num_tokens, one.hidden_size)}"
    return ""


def _beats_majority(run: RunRecord, mine: ScoreRecord) -> Verdict:
    same = [
        one for one in run.scores
        if (one.method, one.dataset_sha, one.metric) == ("majority", mine.dataset_sha, mine.metric)
    ]  # fmt: skip
    if not same:
        return Verdict("", "its run did not score the majority class: run its training again")
    gain = mine.value - same[0].value
    if gain > 0:
        return Verdict("", "", gain)
    said = f"{mine.metric} {mine.value:.2f} does not beat the majority class, {same[0].value:.2f}"
    return Verdict("", said, gain)


def _beats_champion(ours: RunRecord, theirs: RunRecord, by_score: float, store: Store) -> Verdict:
    if by_score <= 0:  # most are: nothing has to be drawn
        behind = f"it is {-by_score:.2f} points behind the champion"
        return Verdict("", behind if by_score else "it scores just like the champion", by_score)
    try:
        asked = _answered(ours, theirs, store)
    except (MissingContent, CorruptContent, tasks.UnknownTask) as error:
        return Verdict("", f"its answers cannot be compared: {error}", by_score)
    if not asked:
        return Verdict("", "what was right was not kept when it was scored", by_score)
    gain, p = mean_gain(asked), one_sided(asked)
    if p < LEVEL:
        return Verdict("", "", gain, p)
    return Verdict("", f"{gain:+.2f} points over the champion may be chance (p = {p:.2f})", gain, p)


def _answered(ours: RunRecord, theirs: RunRecord, store: Store) -> list[Answered]:
    """Return both sides' answers to each task's validation examples; [] if some were not kept."""
    their_answers = {(one.dataset_sha, one.metric): one.predictions_sha for one in _kept(theirs)}
    found = []
    for one in _kept(ours):
        task = recall(ours, one.about)
        if one.metric != next(iter(task.metrics)):
            continue  # a prompt is chosen by the first metric of each task
        other = their_answers.get((one.dataset_sha, one.metric))
        if not (other and one.predictions_sha and one.references_sha):
            return []
        right = references.load(one.references_sha, store)
        sides = (_read(sha, store) for sha in (one.predictions_sha, other))
        found.append(Answered(task, one.metric, right, *sides))
    return found


def _kept(run: RunRecord) -> list[ScoreRecord]:
    """Return the validation scores whose answers were kept: those of one task each."""
    of_prompt = [one for one in run.scores if one.method == "prompt"]
    return [one for one in of_prompt if one.split == "validation" and one.predictions_sha]


def _read(sha: str, store: Store) -> list[str]:
    answers: list[str] = json.loads(store.get(sha))
    return answers
