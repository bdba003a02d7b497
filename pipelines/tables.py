"""The tables of lineage. Equal on SQLite and PostgreSQL; `indexes.py` adds their indexes.

What must hold is held here, by the database: finite scores, links only to what exists; what no
rule of a table can say is in `guards.py`. A change of these files needs a migration, and a test
compares the two.

They are plain tables: SQLAlchemy's ORM takes 0.2 s to import, which every question would pay.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from pipelines.capability import METHODS
from pipelines.columns import UtcTime, is_sha, metadata, now, one_of
from pipelines.contents import artifacts, templates

backbones = Table(
    "backbone",
    metadata,
    Column("sha", String(64), primary_key=True),
    Column("name", Text, nullable=False),
    Column("hidden_size", Integer, nullable=False),
    Column("num_layers", Integer, nullable=False),
    Column("num_heads", Integer, nullable=False),
    Column("parameters", BigInteger, nullable=False),
    Column("architecture", String(16), nullable=False, server_default="encoder-decoder"),
    Column("created_at", UtcTime, nullable=False, default=now),
    is_sha(),
    one_of("architecture", "encoder-decoder", "decoder-only"),
)
"""A frozen model, by the SHA-256 of its content."""

datasets = Table(
    "dataset",
    metadata,
    Column("sha", String(64), primary_key=True),
    Column("task", Text, nullable=False),
    Column("split", String(16), nullable=False),
    Column("origin", Text, nullable=False),
    Column("revision", Text),
    Column("num_rows", Integer, nullable=False),
    Column("created_at", UtcTime, nullable=False, default=now),
    # What rendered them, where it is known; NULL for a mean over tasks, or before 0005.
    Column("template_sha", ForeignKey(templates.c.sha)),
    is_sha(),
    one_of("split", "train", "validation", "test"),
    CheckConstraint("num_rows > 0", name="num_rows"),
)
"""The rendered examples of one split, by the SHA-256 of their content."""

draws = Table(
    "draw",
    metadata,
    Column("of_sha", ForeignKey(datasets.c.sha), primary_key=True),
    Column("seed", BigInteger, primary_key=True),
    Column("shots", Integer, primary_key=True),
    Column("per_class", Boolean, primary_key=True),
    # Two seeds may draw the same examples in the same order.
    Column("dataset_sha", ForeignKey(datasets.c.sha), nullable=False),
    CheckConstraint("shots > 0", name="shots"),
)
"""A few examples, drawn by a seed from a dataset; they are a dataset too."""

prompts = Table(
    "prompt",
    metadata,
    Column("sha", ForeignKey(artifacts.c.sha), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("task", Text, nullable=False),
    # The task of each task vector, in order; [] for a vanilla prompt.
    Column("tasks", JSON, nullable=False),
    Column("backbone_sha", ForeignKey(backbones.c.sha), nullable=False),
    Column("num_tokens", Integer, nullable=False),
    Column("hidden_size", Integer, nullable=False),
    Column("rank", Integer),  # of the task vectors; NULL for a vanilla prompt
    Column("bytes", BigInteger, nullable=False),
    Column("created_at", UtcTime, nullable=False, default=now),
    is_sha(),
    one_of("kind", "teacher", "source", "target", "context"),
)
"""A soft prompt, by the SHA-256 of its file in the store.

`kind` and `task` are those of the run that made it first; each run's own task is in `runs`.
"""

runs = Table(
    "run",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("stage", String(16), nullable=False),
    Column("status", String(16), nullable=False),
    Column("request_sha", String(64), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("spec", JSON, nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("task", Text, nullable=False),
    Column("backbone_sha", ForeignKey(backbones.c.sha)),
    Column("environment", JSON, nullable=False),
    Column("started_at", UtcTime, nullable=False),
    Column("ended_at", UtcTime),
    Column("error", Text),
    Column("truncated", Integer, nullable=False, default=0),  # inputs that were cut at max_input
    Column("warnings", JSON, nullable=False, default=list),
    Column("curve", JSON, nullable=False, default=list),  # [[step, validation score]]
    Column("losses_sha", ForeignKey(artifacts.c.sha)),  # a JSON list, in the store
    Column("trained", BigInteger),  # numbers that were trained; NULL where none, or before 0004
    Column("heartbeat_at", UtcTime),  # when its process last said that it lives
    Column("seconds", Float),  # how long it ran, up to its end or its last heartbeat
    Column("max_steps", Integer),  # that were asked for; NULL where nothing is trained
    Column("batch_size", Integer),  # examples of each step
    Column("steps", Integer),  # that the result rests on, those before a resume too
    Column("resumed_sha", ForeignKey(artifacts.c.sha)),  # the checkpoint that it went on from
    UniqueConstraint("request_sha", "attempt", name="uq_run_attempt"),
    is_sha("request_sha"),
    one_of(
        "stage", "teach", "learn", "adapt", "few_shot", "import", "baseline", "evaluate", "export"
    ),
    one_of("status", "running", "completed", "failed", "abandoned"),
    CheckConstraint("(status = 'running') = (ended_at IS NULL)", name="ended"),
    CheckConstraint("seconds >= 0 AND steps BETWEEN 0 AND max_steps", name="effort"),
)
"""One attempt at one stage: running, then completed, failed or abandoned, and that for ever."""

run_datasets = Table(
    "run_dataset",
    metadata,
    Column("run_id", ForeignKey(runs.c.id), primary_key=True),
    Column("dataset_sha", ForeignKey(datasets.c.sha), primary_key=True),
    Column("role", String(16), primary_key=True),
    one_of("role", "train", "validation", "test"),
)
"""A run read this dataset."""

run_prompts = Table(
    "run_prompt",
    metadata,
    Column("run_id", ForeignKey(runs.c.id), primary_key=True),
    Column("prompt_sha", ForeignKey(prompts.c.sha), primary_key=True),
    Column("role", String(16), primary_key=True),
    one_of("role", "made", "teacher", "source", "front", "evaluated", "exported"),
)
"""A run made, or read, this prompt; `edge` says what came of what."""

scores = Table(
    "score",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run_id", ForeignKey(runs.c.id), nullable=False),
    Column("task", Text, nullable=False),  # of the run: so that one index ranks a task's prompts
    Column("prompt_sha", ForeignKey(prompts.c.sha)),
    Column("dataset_sha", ForeignKey(datasets.c.sha), nullable=False),
    Column("split", String(16), nullable=False),
    Column("method", String(16), nullable=False),
    Column("metric", Text, nullable=False),
    Column("value", Float, nullable=False),
    Column("n", Integer, nullable=False),
    Column("is_primary", Boolean, nullable=False),
    Column("predictions_sha", ForeignKey(artifacts.c.sha)),  # a JSON list, in the store
    Column("references_sha", ForeignKey(artifacts.c.sha)),  # what was right; NULL before 0006
    # A 95 % interval, of the sampling of examples; NULL where none can be told, or before 0005.
    Column("low", Float),
    Column("high", Float),
    UniqueConstraint("run_id", "dataset_sha", "method", "metric", name="uq_score_once"),
    one_of("split", "validation", "test"),
    one_of("method", "prompt", "zero_shot", "majority", *METHODS),
    CheckConstraint("(method = 'prompt') = (prompt_sha IS NOT NULL)", name="prompt"),
    # NaN falls outside on both databases, and infinity too. Correlations may be negative.
    CheckConstraint("value BETWEEN -100 AND 100", name="finite"),
    CheckConstraint("n > 0", name="n"),
    CheckConstraint("(low IS NULL) = (high IS NULL)", name="both"),
    CheckConstraint("low >= -100 AND low <= high AND high <= 100", name="interval"),
)
"""What one metric said, and on how many examples; only the method "prompt" has one of ours.

They are written as their run is completed: what has a score has ended well.
"""
