"""The indexes of the tables, and the rules that hold for some rows only: one active run, ...

They stand apart because `postgresql_where` makes SQLAlchemy import that dialect, which takes
0.1 s, and who asks needs none of them: the migrations make them, and a test compares the two.
An index joins the table of its columns.
"""

from sqlalchemy import Column, Index, text

from pipelines import tables
from pipelines.tables import datasets, draws, prompts, registrations, run_prompts, runs, scores


def _unique_where(condition: str, name: str, *columns: Column[str]) -> None:
    where = text(condition)
    Index(name, *columns, unique=True, sqlite_where=where, postgresql_where=where)


Index("ix_dataset_task", datasets.c.task)
Index("ix_draw_dataset", draws.c.dataset_sha)
Index("ix_prompt_task", prompts.c.task)
Index("ix_run_task", runs.c.task)
Index("ix_run_prompt_prompt", run_prompts.c.prompt_sha, run_prompts.c.role)
Index("ix_score_prompt", scores.c.prompt_sha, scores.c.split)

# What makes a fan-out safe to repeat: kept by the database, not by our care.
_unique_where("status IN ('running', 'completed')", "uq_run_active_request", runs.c.request_sha)
# A run has one score that tables report, per split.
_unique_where("is_primary", "uq_score_primary", scores.c.run_id, scores.c.split)
_unique_where("champion", "uq_registration_champion", registrations.c.model_name)

MODELS = tables.metadata
"""All tables with their indexes: what the migrations must make."""
