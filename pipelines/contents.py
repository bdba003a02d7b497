"""Two tables of what is known by the SHA-256 of its content: artifacts, and templates."""

from sqlalchemy import JSON, Column, String, Table, Text

from pipelines.columns import UtcTime, is_sha, metadata, now, one_of

artifacts = Table(
    "artifact",
    metadata,
    Column("sha", String(64), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("created_at", UtcTime, nullable=False, default=now),
    is_sha(),
    one_of("kind", "prompt", "predictions", "references", "losses", "adapter", "checkpoint"),
)
"""Something that a run made, or was scored by. Prompts, predictions, references and losses are in
the store under this name.

An adapter is a folder that was given away, and a checkpoint is gone when its training has ended:
of these two only the digest is kept.
"""

templates = Table(
    "template",
    metadata,
    Column("sha", String(64), primary_key=True),
    Column("task", Text, nullable=False),
    Column("definition", JSON, nullable=False),
    Column("created_at", UtcTime, nullable=False, default=now),
    is_sha(),
)
"""How a task's rows become text and answers, by the SHA-256 of `definition`."""
