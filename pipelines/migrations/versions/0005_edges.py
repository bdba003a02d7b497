"""Artifacts, templates, edges and exports; signs of life, effort, and intervals of scores."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

STAGES = ("teach", "learn", "adapt", "few_shot", "import", "baseline", "evaluate")
ROLES = ("made", "teacher", "source", "front", "evaluated")
EFFORT = "seconds >= 0 AND steps BETWEEN 0 AND max_steps"
INTERVAL = "low >= -100 AND low <= high AND high <= 100"
NEW_OF_RUN = ("heartbeat_at", "seconds", "max_steps", "batch_size", "steps", "resumed_sha")
UNFINISHED = sa.text("status <> 'completed'")

RUN = sa.table(
    "run",
    sa.column("id"),
    sa.column("status"),
    sa.column("spec", sa.JSON),
    sa.column("curve", sa.JSON),
    *(sa.column(name) for name in ("started_at", "ended_at", "losses_sha", *NEW_OF_RUN)),
)


def upgrade() -> None:
    """Make the new tables and columns, and fill in what older rows tell."""
    _create_tables()
    _fill_artifacts()
    _extend_tables()
    _create_indexes()
    _fill_effort()
    _fill_edges()


def downgrade() -> None:
    """Drop exports, and all that is new."""
    for name, table in (
        ("ix_prompt_backbone", "prompt"),
        ("ix_run_backbone", "run"),
        ("ix_run_started", "run"),
        ("ix_run_unfinished", "run"),
        ("ix_run_dataset_dataset", "run_dataset"),
        ("ix_score_dataset", "score"),
    ):
        op.drop_index(name, table)
    op.drop_index("ix_run_task", "run")
    op.create_index("ix_run_task", "run", ["task"])
    op.drop_table("edge")
    exports = "(SELECT id FROM run WHERE stage = 'export')"
    op.execute(f"DELETE FROM run_prompt WHERE run_id IN {exports}")
    op.execute("DELETE FROM run WHERE stage = 'export'")
    with op.batch_alter_table("score") as batch:
        for rule in ("both", "interval"):
            batch.drop_constraint(op.f(f"ck_score_{rule}"), type_="check")
        batch.drop_constraint("fk_score_predictions_sha", type_="foreignkey")
        batch.drop_column("low")
        batch.drop_column("high")
    with op.batch_alter_table("run") as batch:
        batch.drop_constraint(op.f("ck_run_effort"), type_="check")
        for column in ("losses_sha", "resumed_sha"):
            batch.drop_constraint(f"fk_run_{column}", type_="foreignkey")
        for column in NEW_OF_RUN:
            batch.drop_column(column)
        _allow(batch, "run", "stage", STAGES)
    with op.batch_alter_table("run_prompt") as batch:
        _allow(batch, "run_prompt", "role", ROLES)
    with op.batch_alter_table("prompt") as batch:
        batch.drop_constraint("fk_prompt_sha", type_="foreignkey")
    with op.batch_alter_table("dataset") as batch:
        batch.drop_constraint("fk_dataset_template_sha", type_="foreignkey")
        batch.drop_column("template_sha")
    op.drop_table("template")
    op.drop_table("artifact")


def _create_tables() -> None:
    op.create_table(
        "artifact",
        sa.Column("sha", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("length(sha) = 64", name=op.f("ck_artifact_sha")),
        sa.CheckConstraint(
            "kind IN ('prompt', 'predictions', 'losses', 'adapter', 'checkpoint')",
            name=op.f("ck_artifact_kind"),
        ),
        sa.PrimaryKeyConstraint("sha", name="pk_artifact"),
    )
    op.create_table(
        "template",
        sa.Column("sha", sa.String(length=64), nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("definition", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("length(sha) = 64", name=op.f("ck_template_sha")),
        sa.PrimaryKeyConstraint("sha", name="pk_template"),
    )
    op.create_table(
        "edge",
        sa.Column("child_sha", sa.String(length=64), nullable=False),
        sa.Column("parent_sha", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("run_id", sa.String(length=32), nullable=False),
        sa.CheckConstraint(
            "role IN ('distilled_from', 'adapted_from', 'context_of', 'evaluated_by', "
            "'exported_as')",
            name=op.f("ck_edge_role"),
        ),
        sa.ForeignKeyConstraint(["child_sha"], ["artifact.sha"], name="fk_edge_child_sha"),
        sa.ForeignKeyConstraint(["parent_sha"], ["prompt.sha"], name="fk_edge_parent_sha"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_edge_run_id"),
        sa.PrimaryKeyConstraint("child_sha", "parent_sha", "role", "run_id", name="pk_edge"),
        # The whole row is the key: SQLite need not keep it twice.
        sqlite_with_rowid=False,
    )


def _fill_artifacts() -> None:
    ended = "min(coalesce(run.ended_at, run.started_at))"
    for told in (
        "SELECT sha, 'prompt', created_at FROM prompt WHERE true",
        f"SELECT score.predictions_sha, 'predictions', {ended} FROM score "
        "JOIN run ON run.id = score.run_id WHERE score.predictions_sha IS NOT NULL "
        "GROUP BY score.predictions_sha",
        f"SELECT losses_sha, 'losses', {ended} FROM run WHERE losses_sha IS NOT NULL "
        "GROUP BY losses_sha",
    ):
        op.execute(f"INSERT INTO artifact (sha, kind, created_at) {told} ON CONFLICT DO NOTHING")


def _extend_tables() -> None:
    with op.batch_alter_table("dataset") as batch:
        batch.add_column(sa.Column("template_sha", sa.String(64)))
        _refer(batch, "dataset", "template_sha", "template")
    with op.batch_alter_table("prompt") as batch:
        _refer(batch, "prompt", "sha", "artifact")
    with op.batch_alter_table("run_prompt") as batch:
        _allow(batch, "run_prompt", "role", (*ROLES, "exported"))
    with op.batch_alter_table("run") as batch:
        batch.add_column(sa.Column("heartbeat_at", sa.DateTime(timezone=True)))
        batch.add_column(sa.Column("seconds", sa.Float))
        for name in ("max_steps", "batch_size", "steps"):
            batch.add_column(sa.Column(name, sa.Integer))
        batch.add_column(sa.Column("resumed_sha", sa.String(64)))
        for name in ("losses_sha", "resumed_sha"):
            _refer(batch, "run", name, "artifact")
        _allow(batch, "run", "stage", (*STAGES, "export"))
        batch.create_check_constraint(op.f("ck_run_effort"), EFFORT)
    with op.batch_alter_table("score") as batch:
        batch.add_column(sa.Column("low", sa.Float))
        batch.add_column(sa.Column("high", sa.Float))
        _refer(batch, "score", "predictions_sha", "artifact")
        batch.create_check_constraint(op.f("ck_score_both"), "(low IS NULL) = (high IS NULL)")
        batch.create_check_constraint(op.f("ck_score_interval"), INTERVAL)


def _refer(batch: Any, table: str, column: str, to: str) -> None:
    batch.create_foreign_key(f"fk_{table}_{column}", to, [column], ["sha"])


def _allow(batch: Any, table: str, column: str, values: Sequence[str]) -> None:
    rule = op.f(f"ck_{table}_{column}")
    batch.drop_constraint(rule, type_="check")
    listed = ", ".join(f"'{value}'" for value in values)
    batch.create_check_constraint(rule, f"{column} IN ({listed})")


def _create_indexes() -> None:
    op.drop_index("ix_run_task", "run")
    for name, table, columns in (
        ("ix_run_task", "run", ["task", "status"]),
        ("ix_run_backbone", "run", ["backbone_sha"]),
        ("ix_run_started", "run", ["started_at"]),
        ("ix_prompt_backbone", "prompt", ["backbone_sha"]),
        ("ix_run_dataset_dataset", "run_dataset", ["dataset_sha", "role"]),
        ("ix_edge_parent", "edge", ["parent_sha", "role"]),
        ("ix_edge_run", "edge", ["run_id"]),
        ("ix_score_dataset", "score", ["dataset_sha"]),
    ):
        op.create_index(name, table, columns)
    op.create_index(
        "ix_run_unfinished", "run", ["started_at"],
        sqlite_where=UNFINISHED, postgresql_where=UNFINISHED,
    )  # fmt: skip


def _fill_effort() -> None:
    """Tell what older runs took: by the clock, their recipe and their curve."""
    bind = op.get_bind()
    took = "extract(epoch FROM ended_at - started_at)"
    if bind.dialect.name == "sqlite":
        took = "(julianday(ended_at) - julianday(started_at)) * 86400"
    # An abandoned run's end is when somebody found it dead. A clock may have been set back.
    ended = f"status IN ('completed', 'failed') AND {took} >= 0"
    op.execute(f"UPDATE run SET seconds = {took} WHERE {ended}")
    for one in bind.execute(sa.select(RUN.c.id, RUN.c.status, RUN.c.spec, RUN.c.curve)).all():
        asked, curve = one.spec.get("steps"), one.curve or []
        # A training is validated at its end; without steps it has no curve.
        taken = curve[-1][0] if curve else 0 if asked == 0 else None
        told = {"max_steps": asked, "batch_size": one.spec.get("batch_size")}
        told["steps"] = taken if one.status == "completed" else None
        bind.execute(sa.update(RUN).where(RUN.c.id == one.id).values(told))


def _fill_edges() -> None:
    op.execute(
        "INSERT INTO edge (child_sha, parent_sha, role, run_id) "
        "SELECT made.prompt_sha, given.prompt_sha, CASE given.role "
        "WHEN 'teacher' THEN 'distilled_from' WHEN 'source' THEN 'adapted_from' "
        "ELSE 'context_of' END, made.run_id FROM run_prompt AS made "
        "JOIN run_prompt AS given ON given.run_id = made.run_id "
        "WHERE made.role = 'made' AND given.role IN ('teacher', 'source', 'front')"
    )
    op.execute(
        "INSERT INTO edge (child_sha, parent_sha, role, run_id) "
        "SELECT DISTINCT predictions_sha, prompt_sha, 'evaluated_by', run_id FROM score "
        "WHERE predictions_sha IS NOT NULL AND prompt_sha IS NOT NULL"
    )
