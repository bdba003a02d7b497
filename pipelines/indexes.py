"""The indexes of the tables, and the rules that hold for some rows only: one active run, ...

They stand apart because `postgresql_where` makes SQLAlchemy import that dialect, which takes
0.1 s, and who asks needs none of them: the migrations make them, and a test compares the two.
An index joins the table of its columns.
"""

from typing import Any

from sqlalchemy import ColumnElement, Index, text

from pipelines.columns import metadata
from pipelines.edges import edges
from pipelines.registry_tables import outbox, promotions, registrations
from pipelines.tables import (
    datasets,
    draws,
    prompts,
    run_datasets,
    run_prompts,
    runs,
    scores,
)


def _where(condition: str, name: str, *columns: ColumnElement[Any], unique: bool = True) -> None:
    where = text(condition)
    Index(name, *columns, unique=unique, sqlite_where=where, postgresql_where=where)


Index("ix_dataset_task", datasets.c.task)
Index("ix_draw_dataset", draws.c.dataset_sha)
Index("ix_prompt_task", prompts.c.task)
Index("ix_prompt_backbone", prompts.c.backbone_sha)
Index("ix_run_task", runs.c.task, runs.c.status)
Index("ix_run_backbone", runs.c.backbone_sha)
Index("ix_run_started", runs.c.started_at)
Index("ix_run_dataset_dataset", run_datasets.c.dataset_sha, run_datasets.c.role)
Index("ix_run_prompt_prompt", run_prompts.c.prompt_sha, run_prompts.c.role)
Index("ix_edge_parent", edges.c.parent_sha, edges.c.role)
Index("ix_edge_run", edges.c.run_id)
Index("ix_score_prompt", scores.c.prompt_sha, scores.c.split)
Index("ix_score_dataset", scores.c.dataset_sha)

# What makes a fan-out safe to repeat: kept by the database, not by our care.
_where("status IN ('running', 'completed')", "uq_run_active_request", runs.c.request_sha)
# A run has one score that tables report, per split.
_where("is_primary", "uq_score_primary", scores.c.run_id, scores.c.split)
# Few runs fail, or have not ended: they are found without reading the others.
_where("status <> 'completed'", "ix_run_unfinished", runs.c.started_at, unique=False)
for one in ("champion", "challenger"):
    _where(f"standing = '{one}'", f"uq_registration_{one}", registrations.c.model_name)
# The prompts of a task, ranked by the metric that tables report, or by any other; of equal ones the
# smaller digest first: else a task that thousands solve would be sorted anew for each question.
RANKED = "split = 'validation' AND method = 'prompt'"
RANK = (scores.c.value.desc(), scores.c.prompt_sha)
_where(f"{RANKED} AND is_primary", "ix_score_best", scores.c.task, *RANK, unique=False)
_where(RANKED, "ix_score_metric", scores.c.task, scores.c.metric, *RANK, unique=False)
# What has no edge is found by its digest all the same: answers of no prompt, and checkpoints.
_where("method <> 'prompt'", "ix_score_answers", scores.c.predictions_sha, unique=False)
_where("resumed_sha IS NOT NULL", "ix_run_resumed", runs.c.resumed_sha, unique=False)
# What the dearest runs are, and what was rendered by a template.
_where("status = 'completed'", "ix_run_seconds", runs.c.seconds, unique=False)
Index("ix_dataset_template", datasets.c.template_sha)
Index("ix_promotion_prompt", promotions.c.prompt_sha, promotions.c.task)
Index("ix_registration_task", registrations.c.task, registrations.c.standing)
_where("told_at IS NULL", "ix_outbox_due", outbox.c.sink, outbox.c.id, unique=False)

MODELS = metadata
"""All tables with their indexes: what the migrations must make."""
