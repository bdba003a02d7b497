"""Prompts that were trained elsewhere."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

STAGES = ("teach", "learn", "adapt", "few_shot", "evaluate")


def upgrade() -> None:
    """Let a run be an import."""
    _allow(*STAGES[:4], "import", *STAGES[4:])


def downgrade() -> None:
    """Drop imports, the prompts that only they made, and all that was made of those."""
    runs, prompts = _rest_on_imports()
    for table, column, gone in (
        ("registration", "run_id", runs),
        ("registration", "prompt_sha", prompts),
        ("score", "run_id", runs),
        ("run_prompt", "run_id", runs),
        ("run_dataset", "run_id", runs),
        ("run", "id", runs),
        ("prompt", "sha", prompts),
    ):
        op.get_bind().execute(_of(f"DELETE FROM {table} WHERE {column} IN :some", gone))
    _allow(*STAGES)


def _rest_on_imports() -> tuple[set[str], set[str]]:
    """Return the runs that cannot be without an import, and the prompts that only they made."""
    bind = op.get_bind()
    runs: set[str] = set()
    more = set(bind.scalars(sa.text("SELECT id FROM run WHERE stage = 'import'")))
    prompts: set[str] = set()
    while more - runs:
        runs |= more
        made = "SELECT prompt_sha FROM run_prompt WHERE role = 'made' AND run_id"
        prompts = set(bind.scalars(_of(f"{made} IN :some", runs)))
        prompts -= set(bind.scalars(_of(f"{made} NOT IN :some", runs)))
        read = "SELECT run_id FROM run_prompt WHERE prompt_sha IN :some"
        more = set(bind.scalars(_of(read, prompts)))
    return runs, prompts


def _of(sql: str, some: set[str]) -> sa.TextClause:
    return sa.text(sql).bindparams(sa.bindparam("some", sorted(some), sa.String, expanding=True))


def _allow(*stages: str) -> None:
    listed = ", ".join(f"'{stage}'" for stage in stages)
    rule = op.f("ck_run_stage")
    with op.batch_alter_table("run") as batch:
        batch.drop_constraint(rule, type_="check")
        batch.create_check_constraint(rule, f"stage IN ({listed})")
