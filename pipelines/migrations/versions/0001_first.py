"""The first tables of lineage. A migration is never edited: the next change is a new file."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create all tables."""
    op.create_table(
        "backbone",
        sa.Column("sha", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("hidden_size", sa.Integer(), nullable=False),
        sa.Column("num_layers", sa.Integer(), nullable=False),
        sa.Column("num_heads", sa.Integer(), nullable=False),
        sa.Column("parameters", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("length(sha) = 64", name=op.f("ck_backbone_sha")),
        sa.PrimaryKeyConstraint("sha", name="pk_backbone"),
    )
    op.create_table(
        "dataset",
        sa.Column("sha", sa.String(length=64), nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("split", sa.String(length=16), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("revision", sa.Text(), nullable=True),
        sa.Column("num_rows", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "split IN ('train', 'validation', 'test')", name=op.f("ck_dataset_split")
        ),
        sa.CheckConstraint("length(sha) = 64", name=op.f("ck_dataset_sha")),
        sa.CheckConstraint("num_rows > 0", name=op.f("ck_dataset_num_rows")),
        sa.PrimaryKeyConstraint("sha", name="pk_dataset"),
    )
    op.create_index("ix_dataset_task", "dataset", ["task"], unique=False)
    op.create_table(
        "prompt",
        sa.Column("sha", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("tasks", sa.JSON(), nullable=False),
        sa.Column("backbone_sha", sa.String(length=64), nullable=False),
        sa.Column("num_tokens", sa.Integer(), nullable=False),
        sa.Column("hidden_size", sa.Integer(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=True),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('teacher', 'source', 'target')", name=op.f("ck_prompt_kind")),
        sa.CheckConstraint("length(sha) = 64", name=op.f("ck_prompt_sha")),
        sa.ForeignKeyConstraint(["backbone_sha"], ["backbone.sha"], name="fk_prompt_backbone_sha"),
        sa.PrimaryKeyConstraint("sha", name="pk_prompt"),
    )
    op.create_index("ix_prompt_task", "prompt", ["task"], unique=False)
    op.create_table(
        "run",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("stage", sa.String(length=16), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("request_sha", sa.String(length=64), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("backbone_sha", sa.String(length=64), nullable=True),
        sa.Column("environment", sa.JSON(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("truncated", sa.Integer(), nullable=False),
        sa.Column("warnings", sa.JSON(), nullable=False),
        sa.Column("curve", sa.JSON(), nullable=False),
        sa.Column("losses_sha", sa.String(length=64), nullable=True),
        sa.CheckConstraint("(status = 'running') = (ended_at IS NULL)", name=op.f("ck_run_ended")),
        sa.CheckConstraint(
            "stage IN ('teach', 'learn', 'adapt', 'evaluate')", name=op.f("ck_run_stage")
        ),
        sa.CheckConstraint(
            "status IN ('running', 'completed', 'failed', 'abandoned')", name=op.f("ck_run_status")
        ),
        sa.CheckConstraint("length(request_sha) = 64", name=op.f("ck_run_request_sha")),
        sa.ForeignKeyConstraint(["backbone_sha"], ["backbone.sha"], name="fk_run_backbone_sha"),
        sa.PrimaryKeyConstraint("id", name="pk_run"),
        sa.UniqueConstraint("request_sha", "attempt", name="uq_run_attempt"),
    )
    op.create_index("ix_run_task", "run", ["task"], unique=False)
    op.create_index(
        "uq_run_active_request",
        "run",
        ["request_sha"],
        unique=True,
        sqlite_where=sa.text("status IN ('running', 'completed')"),
        postgresql_where=sa.text("status IN ('running', 'completed')"),
    )
    op.create_table(
        "registration",
        sa.Column("prompt_sha", sa.String(length=64), nullable=False),
        sa.Column("task", sa.String(length=128), nullable=False),
        sa.Column("run_id", sa.String(length=32), nullable=False),
        sa.Column("model_name", sa.String(length=255), nullable=False),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("champion", sa.Boolean(), nullable=False),
        sa.Column("test_run_id", sa.String(length=32), nullable=True),
        sa.CheckConstraint("version > 0", name=op.f("ck_registration_version")),
        sa.ForeignKeyConstraint(["prompt_sha"], ["prompt.sha"], name="fk_registration_prompt_sha"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_registration_run_id"),
        sa.ForeignKeyConstraint(["test_run_id"], ["run.id"], name="fk_registration_test_run_id"),
        sa.PrimaryKeyConstraint("prompt_sha", "task", name="pk_registration"),
        sa.UniqueConstraint("model_name", "version", name="uq_registration_version"),
    )
    op.create_index(
        "uq_registration_champion",
        "registration",
        ["model_name"],
        unique=True,
        sqlite_where=sa.text("champion"),
        postgresql_where=sa.text("champion"),
    )
    op.create_table(
        "run_dataset",
        sa.Column("run_id", sa.String(length=32), nullable=False),
        sa.Column("dataset_sha", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.CheckConstraint(
            "role IN ('train', 'validation', 'test')", name=op.f("ck_run_dataset_role")
        ),
        sa.ForeignKeyConstraint(
            ["dataset_sha"], ["dataset.sha"], name="fk_run_dataset_dataset_sha"
        ),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_run_dataset_run_id"),
        sa.PrimaryKeyConstraint("run_id", "dataset_sha", "role", name="pk_run_dataset"),
    )
    op.create_table(
        "run_prompt",
        sa.Column("run_id", sa.String(length=32), nullable=False),
        sa.Column("prompt_sha", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.CheckConstraint(
            "role IN ('made', 'teacher', 'source', 'evaluated')", name=op.f("ck_run_prompt_role")
        ),
        sa.ForeignKeyConstraint(["prompt_sha"], ["prompt.sha"], name="fk_run_prompt_prompt_sha"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_run_prompt_run_id"),
        sa.PrimaryKeyConstraint("run_id", "prompt_sha", "role", name="pk_run_prompt"),
    )
    op.create_index("ix_run_prompt_prompt", "run_prompt", ["prompt_sha", "role"], unique=False)
    op.create_table(
        "score",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.String(length=32), nullable=False),
        sa.Column("prompt_sha", sa.String(length=64), nullable=True),
        sa.Column("dataset_sha", sa.String(length=64), nullable=False),
        sa.Column("split", sa.String(length=16), nullable=False),
        sa.Column("method", sa.String(length=16), nullable=False),
        sa.Column("metric", sa.Text(), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("is_primary", sa.Boolean(), nullable=False),
        sa.Column("predictions_sha", sa.String(length=64), nullable=True),
        sa.CheckConstraint(
            "(method = 'prompt') = (prompt_sha IS NOT NULL)", name=op.f("ck_score_prompt")
        ),
        sa.CheckConstraint(
            "method IN ('prompt', 'zero_shot', 'majority')", name=op.f("ck_score_method")
        ),
        sa.CheckConstraint("split IN ('validation', 'test')", name=op.f("ck_score_split")),
        sa.CheckConstraint("n > 0", name=op.f("ck_score_n")),
        sa.CheckConstraint("value BETWEEN -100 AND 100", name=op.f("ck_score_finite")),
        sa.ForeignKeyConstraint(["dataset_sha"], ["dataset.sha"], name="fk_score_dataset_sha"),
        sa.ForeignKeyConstraint(["prompt_sha"], ["prompt.sha"], name="fk_score_prompt_sha"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_score_run_id"),
        sa.PrimaryKeyConstraint("id", name="pk_score"),
        sa.UniqueConstraint("run_id", "dataset_sha", "metric", name="uq_score_once"),
    )
    op.create_index("ix_score_prompt", "score", ["prompt_sha", "split"], unique=False)
    op.create_index(
        "uq_score_primary",
        "score",
        ["run_id", "split"],
        unique=True,
        sqlite_where=sa.text("is_primary"),
        postgresql_where=sa.text("is_primary"),
    )


def downgrade() -> None:
    """Drop all tables, those that point to others first."""
    op.drop_table("score")
    op.drop_table("run_prompt")
    op.drop_table("run_dataset")
    op.drop_table("registration")
    op.drop_table("run")
    op.drop_table("prompt")
    op.drop_table("dataset")
    op.drop_table("backbone")
