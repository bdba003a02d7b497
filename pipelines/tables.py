"""The tables of lineage, as SQLAlchemy models. Equal on SQLite and PostgreSQL.

What must hold is held here, by the database: one active run per request, finite scores, links
only to what exists. A change of this file needs a migration, and a test compares the two.
"""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    MetaData,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from pipelines.columns import UtcTime, is_sha, now, one_of

HEAD = "0001"
"""The newest migration; here, so that asking whether a database is current needs no Alembic."""

ACTIVE = text("status IN ('running', 'completed')")
PRIMARY = text("is_primary")
CHAMPION = text("champion")

NAMES = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """All tables of lineage."""

    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map: ClassVar = {
        datetime: UtcTime,
        dict[str, Any]: JSON,
        list[str]: JSON,
        list[list[float]]: JSON,
    }


class Backbone(Base):
    """A frozen model, by the SHA-256 of its content."""

    __tablename__ = "backbone"
    __table_args__ = (is_sha(),)

    sha: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    hidden_size: Mapped[int]
    num_layers: Mapped[int]
    num_heads: Mapped[int]
    parameters: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(default=now)


class Dataset(Base):
    """The rendered examples of one split, by the SHA-256 of their content."""

    __tablename__ = "dataset"
    __table_args__ = (
        is_sha(),
        one_of("split", "train", "validation", "test"),
        CheckConstraint("num_rows > 0", name="num_rows"),
    )

    sha: Mapped[str] = mapped_column(String(64), primary_key=True)
    task: Mapped[str] = mapped_column(Text, index=True)
    split: Mapped[str] = mapped_column(String(16))
    origin: Mapped[str] = mapped_column(Text)
    revision: Mapped[str | None] = mapped_column(Text)
    num_rows: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(default=now)


class Prompt(Base):
    """A soft prompt, by the SHA-256 of its file in the store.

    `kind` and `task` are those of the run that made it first; each run's own task is in `run`.
    """

    __tablename__ = "prompt"
    __table_args__ = (is_sha(), one_of("kind", "teacher", "source", "target", "scratch"))

    sha: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    task: Mapped[str] = mapped_column(Text, index=True)
    tasks: Mapped[list[str]]  # the task of each task vector, in order; [] for a vanilla prompt
    backbone_sha: Mapped[str] = mapped_column(ForeignKey(Backbone.sha))
    num_tokens: Mapped[int]
    hidden_size: Mapped[int]
    rank: Mapped[int | None]  # of the task vectors; NULL for a vanilla prompt
    bytes: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(default=now)


class Run(Base):
    """One attempt at one stage."""

    __tablename__ = "run"
    __table_args__ = (
        # What makes a fan-out safe to repeat: kept by the database, not by our care.
        Index(
            "uq_run_active_request",
            "request_sha",
            unique=True,
            sqlite_where=ACTIVE,
            postgresql_where=ACTIVE,
        ),
        UniqueConstraint("request_sha", "attempt", name="uq_run_attempt"),
        is_sha("request_sha"),
        one_of("stage", "teach", "learn", "adapt", "evaluate"),
        one_of("status", "running", "completed", "failed", "abandoned"),
        CheckConstraint("(status = 'running') = (ended_at IS NULL)", name="ended"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    stage: Mapped[str] = mapped_column(String(16))
    status: Mapped[str] = mapped_column(String(16))
    request_sha: Mapped[str] = mapped_column(String(64))
    attempt: Mapped[int]
    spec: Mapped[dict[str, Any]]
    seed: Mapped[int] = mapped_column(BigInteger)
    task: Mapped[str] = mapped_column(Text, index=True)
    backbone_sha: Mapped[str | None] = mapped_column(ForeignKey(Backbone.sha))
    environment: Mapped[dict[str, Any]]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    error: Mapped[str | None] = mapped_column(Text)
    truncated: Mapped[int] = mapped_column(default=0)  # inputs that were cut at max_input
    warnings: Mapped[list[str]] = mapped_column(default=list)
    curve: Mapped[list[list[float]]] = mapped_column(default=list)  # [[step, validation score]]
    losses_sha: Mapped[str | None] = mapped_column(String(64))  # a JSON list, in the store


class RunDataset(Base):
    """A run read this dataset."""

    __tablename__ = "run_dataset"
    __table_args__ = (one_of("role", "train", "validation", "test"),)

    run_id: Mapped[str] = mapped_column(ForeignKey(Run.id), primary_key=True)
    dataset_sha: Mapped[str] = mapped_column(ForeignKey(Dataset.sha), primary_key=True)
    role: Mapped[str] = mapped_column(String(16), primary_key=True)


class RunPrompt(Base):
    """A run made, or read, this prompt."""

    __tablename__ = "run_prompt"
    __table_args__ = (
        one_of("role", "made", "teacher", "source", "evaluated"),
        Index("ix_run_prompt_prompt", "prompt_sha", "role"),
    )

    run_id: Mapped[str] = mapped_column(ForeignKey(Run.id), primary_key=True)
    prompt_sha: Mapped[str] = mapped_column(ForeignKey(Prompt.sha), primary_key=True)
    role: Mapped[str] = mapped_column(String(16), primary_key=True)


class Score(Base):
    """What one metric said, and on how many examples. Zero-shot and majority have no prompt."""

    __tablename__ = "score"
    __table_args__ = (
        UniqueConstraint("run_id", "dataset_sha", "metric", name="uq_score_once"),
        # A run has one score that tables report, per split.
        Index(
            "uq_score_primary",
            "run_id",
            "split",
            unique=True,
            sqlite_where=PRIMARY,
            postgresql_where=PRIMARY,
        ),
        Index("ix_score_prompt", "prompt_sha", "split"),
        one_of("split", "validation", "test"),
        one_of("method", "prompt", "zero_shot", "majority"),
        CheckConstraint("(method = 'prompt') = (prompt_sha IS NOT NULL)", name="prompt"),
        # NaN falls outside on both databases, and infinity too. Correlations may be negative.
        CheckConstraint("value BETWEEN -100 AND 100", name="finite"),
        CheckConstraint("n > 0", name="n"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[str] = mapped_column(ForeignKey(Run.id))
    prompt_sha: Mapped[str | None] = mapped_column(ForeignKey(Prompt.sha))
    dataset_sha: Mapped[str] = mapped_column(ForeignKey(Dataset.sha))
    split: Mapped[str] = mapped_column(String(16))
    method: Mapped[str] = mapped_column(String(16))
    metric: Mapped[str] = mapped_column(Text)
    value: Mapped[float]
    n: Mapped[int]
    is_primary: Mapped[bool]
    predictions_sha: Mapped[str | None] = mapped_column(String(64))  # a JSON list, in the store


class Registration(Base):
    """A prompt's place in the model registry, and who is champion. MLflow copies this."""

    __tablename__ = "registration"
    __table_args__ = (
        UniqueConstraint("model_name", "version", name="uq_registration_version"),
        Index(
            "uq_registration_champion",
            "model_name",
            unique=True,
            sqlite_where=CHAMPION,
            postgresql_where=CHAMPION,
        ),
        CheckConstraint("version > 0", name="version"),
    )

    # Two tasks may end with the same bytes: then one prompt stands under two names.
    prompt_sha: Mapped[str] = mapped_column(ForeignKey(Prompt.sha), primary_key=True)
    task: Mapped[str] = mapped_column(String(128), primary_key=True)
    run_id: Mapped[str] = mapped_column(ForeignKey(Run.id))  # the first of the runs that made it
    model_name: Mapped[str] = mapped_column(String(255))
    version: Mapped[int | None]  # NULL: MLflow has lost it, and will get it again
    champion: Mapped[bool]
    # The evaluation whose test score the version's tags show.
    test_run_id: Mapped[str | None] = mapped_column(ForeignKey(Run.id))
