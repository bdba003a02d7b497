"""Telling a system again what it has lost, as part of a repair."""

from pipelines import outbox
from pipelines.doctor.finding import Home
from pipelines.registration import reopen
from pipelines.relay import Delivered


class StillDue(Exception):
    """A system could not be told all."""

    def __init__(self, failed: dict[str, str]) -> None:
        subject, why = next(iter(failed.items()))
        more = f", and {len(failed) - 1} more" if len(failed) > 1 else ""
        super().__init__(f"{subject[:12]} is still due{more}: {why}")


def tell_prompt(home: Home, prompt_sha: str, task: str) -> None:
    """Give up the version of a prompt, and publish it anew.

    Raises:
        StillDue: it could not be published.
        RegistryDown: MLflow failed.
    """
    with home.lineage.database.writing() as connection:
        reopen(connection, prompt_sha, task)
    check(home.registry.publish_pending(), prompt_sha)


def tell_standings(home: Home, name: str) -> None:
    """Let MLflow's aliases and tags of one model say what lineage says.

    Raises:
        StillDue, RegistryDown: see `tell_prompt`.
    """
    with home.lineage.database.writing() as connection:
        outbox.ask(connection, "registry", "champion", name)
    check(home.registry.publish_pending(), name)


def check(delivered: Delivered, subject: str | None = None) -> None:
    """Raise StillDue if `subject`, or anything, was not told."""
    failed = delivered.failed
    if subject is not None:
        failed = {subject: failed[subject]} if subject in failed else {}
    if failed:
        raise StillDue(failed)
