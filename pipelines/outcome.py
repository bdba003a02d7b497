"""What a flow leaves behind: run ids, from which everything else is looked up in lineage."""

from pydantic import BaseModel, ConfigDict


class Outcome(BaseModel):
    """Frozen, so that it can travel between processes as JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Trial(Outcome):
    """One prompt for one target: the run that trained it, and the run that tested it."""

    trained: str
    tested: str


class Learned(Outcome):
    """What `learn_source` leaves: the source runs, one for each seed."""

    runs: list[str]
    unregistered: str
    """Why the model registry lacks the prompts; empty when it has them."""


class Adapted(Outcome):
    """What `adapt_target` leaves: one trial for each target, in their order."""

    trials: list[Trial]
    unregistered: str
    """Why the model registry lacks the prompts; empty when it has them."""


class Grouped(Adapted):
    """What `adapt_group` leaves."""

    group: str
    """The run that trained the prompt that the targets share."""


class Target(Outcome):
    """What `transfer` leaves for one target: a trial for each seed, and the two plain baselines."""

    task: str
    majority: str
    zero_shot: str
    scratch: list[Trial]
    adapted: list[Trial]


class FewShot(Outcome):
    """What few-shot jobs leave for one task: a trial for each draw, and the two plain baselines."""

    task: str
    majority: str
    zero_shot: str
    trials: dict[str, list[Trial]]
    """By method, in the order of tables."""


class FewShots(Outcome):
    """What `few_shot` leaves."""

    tasks: list[FewShot]
    unregistered: str
    """Why the model registry lacks the prompts; empty when it has them."""


class Evaluated(Outcome):
    """What `evaluate` leaves."""

    run: str


class Baselines(Outcome):
    """What `baselines` leaves."""

    runs: list[str]
    """One for each task and method, in their order."""
    majority: dict[str, str]
    """By task."""


class Transferred(Outcome):
    """What `transfer` leaves."""

    learned: list[str]
    """The source runs, one for each seed."""
    targets: list[Target]
    few_shot: list[FewShot]
    unregistered: str
