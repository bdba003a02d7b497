"""Connections that the database has closed meanwhile."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from pipelines import database
from pipelines.database import connect

OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


@pytest.fixture
def lost(postgres_url):
    """An engine whose only connection was closed by the server after it was given back."""
    ours, theirs = connect(postgres_url), connect(postgres_url)
    with ours.connect() as connection:
        connection.scalar(text("SELECT 1"))
    with theirs.connect() as connection:
        assert connection.scalars(text(OTHERS)).all() == [True]
    yield ours
    ours.dispose()
    theirs.dispose()


def test_a_connection_that_was_lost_while_nobody_used_it_is_replaced(lost, monkeypatch):
    monkeypatch.setattr(database, "IDLE", 0.0)
    with lost.connect() as connection:
        assert connection.scalar(text("SELECT 2")) == 2


def test_one_that_was_lost_a_moment_ago_fails_once(lost, monkeypatch):
    monkeypatch.setattr(database, "IDLE", 600.0)
    with pytest.raises(OperationalError), lost.connect() as connection:
        connection.scalar(text("SELECT 2"))
    with lost.connect() as connection:
        assert connection.scalar(text("SELECT 2")) == 2
