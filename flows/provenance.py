"""The commands that ask lineage where things come from. They answer at once: nothing heavy."""

import os
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter, validators

from flows.answers import Form, show
from flows.options import Common

if TYPE_CHECKING:
    from pipelines.reader import Asked
    from pipelines.statements import Answer, Question

Shared = Annotated[Common | None, Parameter(name="*")]
Forms = Annotated[Form | None, Parameter(name="*")]
Limit = Annotated[int, Parameter(validator=validators.Number(gte=1, lt=2**31))]

UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class NoMoment(ValueError):
    """A moment is asked for that is none."""

    def __init__(self, given: str) -> None:
        super().__init__(
            f"--since is {given!r}: give how long ago, as 30m, 12h, 7d or 2w, or a date, as "
            "2025-01-31"
        )


def lineage(
    thing: str,
    /,
    *,
    down: Annotated[bool, Parameter(negative="--up")] = False,
    form: Forms = None,
    common: Shared = None,
) -> None:
    """Print what something was made from, as a tree; or what came of it.

    Parameters
    ----------
    thing
        An id, or the first 6 digits of one: of a prompt, run, dataset, backbone, template,
        checkpoint, adapter or predictions.
    down
        What came of it.
    """
    from pipelines import questions

    def tree(answer: "Answer") -> None:
        from flows.trees import show_tree
        from pipelines.ancestry import to_tree

        show_tree(to_tree(answer))

    asked = questions.descent if down else questions.ancestry
    _ask(lambda database: asked(database, thing), tree, form, common)


def impact(thing: str, /, *, form: Forms = None, common: Shared = None) -> None:
    """Say what no longer holds if something is withdrawn. Nothing is changed.

    Parameters
    ----------
    thing
        A dataset, a prompt or a backbone: its id, or the first 6 digits of it.
    """
    from flows.answer_tables import show_impact
    from pipelines import questions

    _ask(lambda database: questions.impact(database, thing), show_impact, form, common)


def shared(thing: str, /, *, form: Forms = None, common: Shared = None) -> None:
    """Say which runs share an input.

    Parameters
    ----------
    thing
        A dataset, a prompt or a backbone: its id, or the first 6 digits of it. Of a run, it is the
        other runs that read one of its datasets or prompts.
    """
    from flows.answer_tables import show_shared
    from pipelines import questions

    _ask(lambda database: questions.shared(database, thing), show_shared, form, common)


def compare(a: str, b: str, /, *, form: Forms = None, common: Shared = None) -> None:
    """Say in what two prompts differ: recipe, data and ancestors, scores.

    Parameters
    ----------
    a
        A prompt's digest, or the first 6 digits of it.
    b
        Another one.
    """
    from flows.answer_tables import show_compare
    from flows.settings import open_store
    from pipelines import questions
    from pipelines.pairing import Pairing

    common = common or Common()
    settings = common.use()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # a question waits for no network
    pair = Pairing(open_store(settings), settings.data).interval
    _ask(lambda database: questions.compare(database, a, b, pair), show_compare, form, common)


def matrix(*, backbone: str | None = None, form: Forms = None, common: Shared = None) -> None:
    """Say how much each set of source tasks helps each target, over training from scratch.

    Parameters
    ----------
    backbone
        Only this one: its name, or the first 6 digits of its digest.
    """
    from flows.answer_tables import show_matrix
    from pipelines import questions

    _ask(lambda database: questions.matrix(database, backbone), show_matrix, form, common)


def cost(
    prompt: str | None = None, /, *, limit: Limit = 20, form: Forms = None, common: Shared = None
) -> None:
    """Say what a prompt cost, with all that it was made of; or which prompts cost most.

    Parameters
    ----------
    prompt
        Its digest, or the first 6 digits of it; without one, the dearest.
    limit
        How many of the dearest.
    """
    from flows.answer_tables import show_cost
    from pipelines import questions

    _ask(lambda database: questions.cost(database, prompt, limit), show_cost, form, common)


def failures(
    *, since: str | None = None, limit: Limit = 20, form: Forms = None, common: Shared = None
) -> None:
    """Say which runs have failed or were abandoned, and how to go on.

    Parameters
    ----------
    since
        Only runs that started then or later: 30m, 12h, 7d or 2w ago, or a date [default: ever].
    limit
        How many, the newest.
    """
    from flows.answer_tables import show_failures
    from pipelines import questions

    began = moment(since, datetime.now(UTC)) if since else questions.EVER
    _ask(lambda database: questions.failures(database, began, limit), show_failures, form, common)


def moment(given: str, now: datetime) -> datetime:
    """Return the moment that a person means; a date without a zone is UTC.

    Raises:
        NoMoment: it is none, or before the first year.
    """
    try:
        if ago := re.fullmatch(r"([0-9]{1,6})([mhdw])", given):
            return now - timedelta(**{UNITS[ago[2]]: int(ago[1])})
        told = datetime.fromisoformat(given)
        return told if told.tzinfo else told.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise NoMoment(given) from None


def _ask(
    asked: "Callable[[Asked], Question]",
    table: "Callable[[Answer], None]",
    form: Form | None,
    common: Common | None,
) -> None:
    from flows.settings import open_questions

    form, common = form or Form(), common or Common()
    form.check(common)
    with open_questions(common.use()) as database:
        show(asked(database), form, common, table)
