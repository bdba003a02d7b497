"""Run by Alembic: applies the migrations on the connection that `upgrade` hands over."""

from alembic import context

from pipelines.indexes import MODELS

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=MODELS,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
