"""Baselines through PEFT, and how many numbers a run trained."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

STAGES = ("teach", "learn", "adapt", "few_shot", "import", "evaluate")
PLAIN = ("prompt", "zero_shot", "majority")
METHODS = (
    "prompt_tuning", "prefix_tuning", "p_tuning_mlp", "p_tuning_lstm", "p_tuning_v2",
    "llama_adapter", "lora", "full",
)  # fmt: skip


def upgrade() -> None:
    """Let a run be a baseline, and a score a baseline's."""
    _allow("run", "stage", *STAGES[:5], "baseline", *STAGES[5:])
    _allow("score", "method", *PLAIN, *METHODS)
    with op.batch_alter_table("run") as batch:
        batch.add_column(sa.Column("trained", sa.BigInteger))


def downgrade() -> None:
    """Drop baselines; nothing rests on them, since they make no prompt."""
    theirs = "(SELECT id FROM run WHERE stage = 'baseline')"
    op.execute(f"DELETE FROM score WHERE run_id IN {theirs}")
    op.execute(f"DELETE FROM run_dataset WHERE run_id IN {theirs}")
    op.execute("DELETE FROM run WHERE stage = 'baseline'")
    with op.batch_alter_table("run") as batch:
        batch.drop_column("trained")
    _allow("score", "method", *PLAIN)
    _allow("run", "stage", *STAGES)


def _allow(table: str, column: str, *values: str) -> None:
    listed = ", ".join(f"'{value}'" for value in values)
    rule = op.f(f"ck_{table}_{column}")
    with op.batch_alter_table(table) as batch:
        batch.drop_constraint(rule, type_="check")
        batch.create_check_constraint(rule, f"{column} IN ({listed})")
