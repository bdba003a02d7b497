"""Few-shot runs: draws of examples, context prompts, and prompts that stand before a context."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

STAGES = ("teach", "learn", "adapt", "evaluate")
KINDS = ("teacher", "source", "target")
ROLES = ("made", "teacher", "source", "evaluated")


def upgrade() -> None:
    """Make the table of draws, and let the others hold what few-shot runs need."""
    # Until now every backbone was a T5.
    with op.batch_alter_table("backbone") as batch:
        batch.add_column(
            sa.Column(
                "architecture", sa.String(16), nullable=False, server_default="encoder-decoder"
            )
        )
        batch.create_check_constraint(
            op.f("ck_backbone_architecture"),
            "architecture IN ('encoder-decoder', 'decoder-only')",
        )
    op.create_table(
        "draw",
        sa.Column("of_sha", sa.String(length=64), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("shots", sa.Integer(), nullable=False),
        sa.Column("per_class", sa.Boolean(), nullable=False),
        sa.Column("dataset_sha", sa.String(length=64), nullable=False),
        sa.CheckConstraint("shots > 0", name=op.f("ck_draw_shots")),
        sa.ForeignKeyConstraint(["of_sha"], ["dataset.sha"], name="fk_draw_of_sha"),
        sa.ForeignKeyConstraint(["dataset_sha"], ["dataset.sha"], name="fk_draw_dataset_sha"),
        sa.PrimaryKeyConstraint("of_sha", "seed", "shots", "per_class", name="pk_draw"),
    )
    op.create_index("ix_draw_dataset", "draw", ["dataset_sha"], unique=False)
    _allow("run", "stage", (*STAGES[:3], "few_shot", *STAGES[3:]))
    _allow("prompt", "kind", (*KINDS, "context"))
    _allow("run_prompt", "role", (*ROLES[:3], "front", *ROLES[3:]))


def downgrade() -> None:
    """Drop few-shot runs, their prompts, and all that was computed with those."""
    connection = op.get_bind()
    contexts = "SELECT sha FROM prompt WHERE kind = 'context'"
    runs = connection.scalars(
        sa.text(
            "SELECT id FROM run WHERE stage = 'few_shot' "
            f"UNION SELECT run_id FROM run_prompt WHERE prompt_sha IN ({contexts})"
        )
    ).all()
    mine = sa.bindparam("runs", list(runs), sa.String, expanding=True)
    for table, column in (
        ("registration", "run_id"),
        ("score", "run_id"),
        ("run_prompt", "run_id"),
        ("run_dataset", "run_id"),
        ("run", "id"),
    ):
        gone = sa.text(f"DELETE FROM {table} WHERE {column} IN :runs").bindparams(mine)
        connection.execute(gone)
    op.execute("DELETE FROM prompt WHERE kind = 'context'")
    op.drop_table("draw")
    with op.batch_alter_table("backbone") as batch:
        batch.drop_constraint(op.f("ck_backbone_architecture"), type_="check")
        batch.drop_column("architecture")
    _allow("run", "stage", STAGES)
    _allow("prompt", "kind", KINDS)
    _allow("run_prompt", "role", ROLES)


def _allow(table: str, column: str, values: Sequence[str]) -> None:
    listed = ", ".join(f"'{value}'" for value in values)
    rule = op.f(f"ck_{table}_{column}")
    with op.batch_alter_table(table) as batch:
        batch.drop_constraint(rule, type_="check")
        batch.create_check_constraint(rule, f"{column} IN ({listed})")
