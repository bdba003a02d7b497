"""What an error means to a person at the command line: one line, and an exit status."""

from cyclopts import CycloptsError

OURS = ("mpt", "tasks", "pipelines", "flows")
BAD_INPUT, UNKNOWN, FAILED, WRONG, TRY_AGAIN = 2, 3, 4, 5, 75


class JobsFailed(Exception):
    """Some jobs failed; what the others made is done and recorded.

    Args:
        failed: the error of each part that failed, by its name.
        total: how many parts there are.
        what: what a part is, in the plural.
    """

    def __init__(self, failed: dict[str, BaseException], total: int, what: str) -> None:
        reasons = "; ".join(f"{name}: {one_line(error)}" for name, error in failed.items())
        super().__init__(
            f"{len(failed)} of {total} {what} failed ({reasons}): mend that and run the same "
            "again; finished runs are found in lineage and not repeated"
        )
        self.errors = list(failed.values())


class RunFailed(Exception):
    """A flow run on a server failed.

    Args:
        said: why, as it would have been told here.
        status: the exit status that it would have had here.
    """

    def __init__(self, said: str, status: int) -> None:
        super().__init__(said)
        self.status = status


def exit_status(error: BaseException) -> int | None:
    """Return the status for an error that is told in one line; None for a defect of ours.

    Only exceptions of our own classes are told so: a ValueError of a library is a defect and keeps
    its traceback.
    """
    from pipelines.ids import UnknownId
    from pipelines.locks import Busy

    if type(error).__module__.partition(".")[0] not in OURS:
        return None
    if isinstance(error, RunFailed):
        return error.status
    if isinstance(error, JobsFailed):
        busy = all(isinstance(one, Busy) for one in error.errors)
        return TRY_AGAIN if busy else FAILED
    if isinstance(error, Busy) or getattr(error, "try_again", False):
        return TRY_AGAIN
    if isinstance(error, UnknownId) or getattr(error, "names_a_prompt", False):
        return UNKNOWN
    return BAD_INPUT if isinstance(error, ValueError | LookupError) else FAILED


def usage(error: CycloptsError) -> str:
    """Return what is wrong with a command line; pydantic's own text would take ten lines."""
    from pydantic import ValidationError

    from pipelines.spec import explain

    cause = error.__cause__
    return f"--{explain(cause)}" if isinstance(cause, ValidationError) else str(error)


def one_line(error: BaseException) -> str:
    """Return class and message of an error, without a full stop."""
    return f"{type(error).__name__}: {error}".partition("\n")[0].rstrip(". ")
