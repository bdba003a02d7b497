"""The outbox, reserved registrations, standings and promotions; scores know task and references."""

import re
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

KINDS = ("prompt", "predictions", "losses", "adapter", "checkpoint")
STANDINGS = ("candidate", "challenger", "champion", "archived")
MOVES = ("promoted", "forced", "declined", "challenged", "archived", "restored")
RANKED = "split = 'validation' AND method = 'prompt'"
RANK = (sa.text("value DESC"), "prompt_sha")
TIME = sa.DateTime(timezone=True)
REGISTRATION = sa.table(
    "registration",
    *(sa.column(name) for name in ("prompt_sha", "task", "run_id", "model_name", "version")),
    *(sa.column(name, TIME) for name in ("reserved_at", "closed_at")),
    sa.column("standing"),
)
OUTBOX = sa.table(
    "outbox", *map(sa.column, ("sink", "what", "subject")), sa.column("asked_at", TIME)
)


def upgrade() -> None:
    """Make the new tables and columns; reserve a place for each prompt that has none."""
    _extend_scores()
    _extend_registrations()
    _create_tables()
    _create_indexes()
    _reserve()


def downgrade() -> None:
    """Drop what is new, and the scores of majority classes that 0005 has no room for."""
    for name in ("ix_score_best", "ix_score_metric", "ix_score_answers"):
        op.drop_index(name, "score")
    for name in ("ix_run_resumed", "ix_run_seconds"):
        op.drop_index(name, "run")
    op.drop_index("ix_dataset_template", "dataset")
    op.drop_table("outbox")
    op.drop_table("promotion")
    op.execute("DELETE FROM registration WHERE version IS NULL")
    _shrink_registrations()
    trained = "(SELECT id FROM run WHERE stage <> 'evaluate')"
    op.execute(f"DELETE FROM score WHERE method = 'majority' AND run_id IN {trained}")
    with op.batch_alter_table("score") as batch:
        batch.drop_constraint(op.f("uq_score_once"), type_="unique")
        batch.create_unique_constraint(op.f("uq_score_once"), ["run_id", "dataset_sha", "metric"])
        batch.drop_constraint("fk_score_references_sha", type_="foreignkey")
        batch.drop_column("references_sha")
        batch.drop_column("task")
    op.execute("DELETE FROM artifact WHERE kind = 'references'")
    _allow("artifact", "kind", KINDS)


def _extend_scores() -> None:
    _allow("artifact", "kind", ("prompt", "predictions", "references", *KINDS[2:]))
    with op.batch_alter_table("score") as batch:
        batch.add_column(sa.Column("task", sa.Text))
        batch.add_column(sa.Column("references_sha", sa.String(64)))
        batch.create_foreign_key("fk_score_references_sha", "artifact", ["references_sha"], ["sha"])
        batch.drop_constraint(op.f("uq_score_once"), type_="unique")
        batch.create_unique_constraint(
            op.f("uq_score_once"), ["run_id", "dataset_sha", "method", "metric"]
        )
    op.execute("UPDATE score SET task = (SELECT task FROM run WHERE run.id = score.run_id)")
    with op.batch_alter_table("score") as batch:
        batch.alter_column("task", nullable=False, existing_type=sa.Text)


def _extend_registrations() -> None:
    op.drop_index("uq_registration_champion", "registration")
    with op.batch_alter_table("registration") as batch:
        batch.add_column(sa.Column("reserved_at", TIME))
        batch.add_column(sa.Column("closed_at", TIME))
        batch.add_column(
            sa.Column("standing", sa.String(16), nullable=False, server_default="candidate")
        )
    # When MLflow got it was not recorded; its run had ended by then.
    ended = "(SELECT coalesce(ended_at, started_at) FROM run WHERE run.id = registration.run_id)"
    op.execute(f"UPDATE registration SET reserved_at = {ended}")
    op.execute("UPDATE registration SET closed_at = reserved_at WHERE version IS NOT NULL")
    op.execute("UPDATE registration SET standing = 'champion' WHERE champion")
    with op.batch_alter_table("registration") as batch:
        batch.alter_column("reserved_at", nullable=False, existing_type=TIME)
        batch.drop_column("champion")
        batch.create_check_constraint(
            op.f("ck_registration_closed"), "(version IS NULL) = (closed_at IS NULL)"
        )
        batch.create_check_constraint(
            op.f("ck_registration_standing"), _listed("standing", STANDINGS)
        )


def _shrink_registrations() -> None:
    for name in ("ix_registration_task", "uq_registration_challenger"):
        op.drop_index(name, "registration")
    op.drop_index("uq_registration_champion", "registration")
    with op.batch_alter_table("registration") as batch:
        batch.add_column(
            sa.Column("champion", sa.Boolean, nullable=False, server_default=sa.false())
        )
    op.execute("UPDATE registration SET champion = (standing = 'champion')")
    with op.batch_alter_table("registration") as batch:
        for rule in ("closed", "standing"):
            batch.drop_constraint(op.f(f"ck_registration_{rule}"), type_="check")
        for column in ("reserved_at", "closed_at", "standing"):
            batch.drop_column(column)
        batch.alter_column("champion", server_default=None, existing_type=sa.Boolean)
    where = sa.text("champion")
    op.create_index(
        "uq_registration_champion", "registration", ["model_name"], unique=True,
        sqlite_where=where, postgresql_where=where,
    )  # fmt: skip


def _create_tables() -> None:
    op.create_table(
        "promotion",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("prompt_sha", sa.String(64), nullable=False),
        sa.Column("task", sa.String(128), nullable=False),
        sa.Column("move", sa.String(16), nullable=False),
        sa.Column("other_sha", sa.String(64)),
        sa.Column("evidence", sa.JSON, nullable=False),
        sa.Column("reason", sa.Text),
        sa.CheckConstraint(_listed("move", MOVES), name=op.f("ck_promotion_move")),
        sa.CheckConstraint(
            "move <> 'forced' OR reason IS NOT NULL", name=op.f("ck_promotion_reason")
        ),
        sa.ForeignKeyConstraint(["other_sha"], ["prompt.sha"], name="fk_promotion_other_sha"),
        sa.ForeignKeyConstraint(
            ["prompt_sha", "task"],
            ["registration.prompt_sha", "registration.task"],
            name="fk_promotion_registration",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_promotion"),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("sink", sa.String(16), nullable=False),
        sa.Column("what", sa.String(16), nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("asked", sa.Integer, nullable=False, server_default="1"),
        sa.Column("asked_at", TIME, nullable=False),
        sa.Column("told_at", TIME),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("error", sa.Text),
        sa.CheckConstraint(
            _listed("sink", ("registry", "gate", "openlineage")), name=op.f("ck_outbox_sink")
        ),
        sa.CheckConstraint(
            _listed("what", ("prompt", "champion", "start", "end")), name=op.f("ck_outbox_what")
        ),
        sa.UniqueConstraint("sink", "what", "subject", name="uq_outbox_once"),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
    )


def _create_indexes() -> None:
    wanted: list[tuple[str, str, list[Any], str, bool]] = [
        ("uq_registration_champion", "registration", ["model_name"], "standing = 'champion'", True),
        (
            "uq_registration_challenger", "registration", ["model_name"],
            "standing = 'challenger'", True,
        ),
        ("ix_score_best", "score", ["task", *RANK], f"{RANKED} AND is_primary", False),
        ("ix_score_metric", "score", ["task", "metric", *RANK], RANKED, False),
        ("ix_score_answers", "score", ["predictions_sha"], "method <> 'prompt'", False),
        ("ix_run_resumed", "run", ["resumed_sha"], "resumed_sha IS NOT NULL", False),
        ("ix_run_seconds", "run", ["seconds"], "status = 'completed'", False),
        ("ix_outbox_due", "outbox", ["sink", "id"], "told_at IS NULL", False),
    ]  # fmt: skip
    for name, table, columns, condition, unique in wanted:
        where = sa.text(condition)
        op.create_index(
            name, table, columns, unique=unique, sqlite_where=where, postgresql_where=where
        )
    op.create_index("ix_dataset_template", "dataset", ["template_sha"])
    op.create_index("ix_promotion_prompt", "promotion", ["prompt_sha", "task"])
    op.create_index("ix_registration_task", "registration", ["task", "standing"])


def _reserve() -> None:
    """Reserve a place for each prompt that has none, and let the registry be told of it."""
    bind = op.get_bind()
    made = sa.text(
        "SELECT made.prompt_sha, run.task, run.id, coalesce(run.ended_at, run.started_at) AS ended,"
        " backbone.name, backbone.sha FROM run_prompt AS made JOIN run ON run.id = made.run_id "
        "JOIN prompt ON prompt.sha = made.prompt_sha "
        "JOIN backbone ON backbone.sha = prompt.backbone_sha "
        "WHERE made.role = 'made' AND run.status = 'completed' ORDER BY 4, run.id"
    ).columns(ended=TIME)
    there = {tuple(row) for row in bind.execute(sa.select(*list(REGISTRATION.c)[:2]))}
    for one in bind.execute(made).all():
        if (one.prompt_sha, one.task) in there:
            continue
        there.add((one.prompt_sha, one.task))
        place = {"prompt_sha": one.prompt_sha, "task": one.task, "run_id": one.id}
        name = _model_name(one.name, one.sha, one.task)
        bind.execute(
            sa.insert(REGISTRATION).values(
                **place, model_name=name, reserved_at=one.ended, standing="candidate"
            )
        )
    missing = sa.select(REGISTRATION.c.prompt_sha, REGISTRATION.c.reserved_at).where(
        REGISTRATION.c.version.is_(None)
    )
    asked = dict(bind.execute(missing).tuples().all())
    for sha, reserved in asked.items():
        for sink in ("registry", "gate"):
            told = {"sink": sink, "what": "prompt", "subject": sha, "asked_at": reserved}
            bind.execute(sa.insert(OUTBOX).values(**told))


def _model_name(backbone: str, sha: str, task: str) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", backbone.rstrip("/").rpartition("/")[2].lower()).strip("-")
    return f"softprompt.{slug or 'backbone'}-{sha[:8]}.{task}"


def _allow(table: str, column: str, values: Sequence[str]) -> None:
    rule = op.f(f"ck_{table}_{column}")
    with op.batch_alter_table(table) as batch:
        batch.drop_constraint(rule, type_="check")
        batch.create_check_constraint(rule, _listed(column, values))


def _listed(column: str, values: Sequence[str]) -> str:
    return f"{column} IN ({', '.join(repr(value) for value in values)})"
