"""The tables of the model registry: what is registered, who is champion, what is still to be told.

They are the truth, and MLflow is told what they say; `outbox` has what it was not told yet.
"""

from sqlalchemy import (
    JSON,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from pipelines.columns import UtcTime, metadata, now, one_of
from pipelines.tables import prompts, runs

STANDINGS = ("candidate", "challenger", "champion", "archived")
MOVES = ("promoted", "forced", "declined", "challenged", "archived", "restored")

registrations = Table(
    "registration",
    metadata,
    # Two tasks may end with the same bytes: then one prompt stands under two names.
    Column("prompt_sha", ForeignKey(prompts.c.sha), primary_key=True),
    Column("task", String(128), primary_key=True),
    # The first of the runs that made it.
    Column("run_id", ForeignKey(runs.c.id), nullable=False),
    Column("model_name", String(255), nullable=False),
    Column("reserved_at", UtcTime, nullable=False, default=now),
    # Both NULL until MLflow has the bytes and their digest was checked; again when it lost them.
    Column("version", Integer),
    Column("closed_at", UtcTime),
    Column("standing", String(16), nullable=False, server_default="candidate"),
    # The evaluation whose test score the version's tags show.
    Column("test_run_id", ForeignKey(runs.c.id)),
    UniqueConstraint("model_name", "version", name="uq_registration_version"),
    CheckConstraint("version > 0", name="version"),
    CheckConstraint("(version IS NULL) = (closed_at IS NULL)", name="closed"),
    one_of("standing", *STANDINGS),
)
"""A prompt's place in the model registry, reserved as its run ends. MLflow copies this."""

promotions = Table(
    "promotion",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", UtcTime, nullable=False, default=now),
    Column("prompt_sha", String(64), nullable=False),
    Column("task", String(128), nullable=False),
    Column("move", String(16), nullable=False),
    # The champion before: replaced, or not beaten.
    Column("other_sha", ForeignKey(prompts.c.sha)),
    # What the gate saw: {check: what it said}, with gain, p and n where it compared.
    Column("evidence", JSON, nullable=False),
    Column("reason", Text),
    ForeignKeyConstraint(
        ["prompt_sha", "task"],
        ["registration.prompt_sha", "registration.task"],
        name="fk_promotion_registration",
    ),
    one_of("move", *MOVES),
    CheckConstraint("move <> 'forced' OR reason IS NOT NULL", name="reason"),
)
"""A move in the standing of a registered prompt, or that the gate refused one. Only added to."""

outbox = Table(
    "outbox",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("sink", String(16), nullable=False),
    Column("what", String(16), nullable=False),
    Column("subject", Text, nullable=False),
    # How often it was asked for: what changes while it is being told is told again.
    Column("asked", Integer, nullable=False, server_default="1"),
    Column("asked_at", UtcTime, nullable=False, default=now),
    Column("told_at", UtcTime),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("error", Text),
    UniqueConstraint("sink", "what", "subject", name="uq_outbox_once"),
    one_of("sink", "registry", "gate", "openlineage"),
    one_of("what", "prompt", "champion", "start", "end"),
)
"""What another system is to be told of: it is looked up in lineage when it is told."""
