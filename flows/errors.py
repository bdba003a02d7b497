"""Which exit status an error ends with."""

from pipelines.locks import Busy
from pipelines.lookup import UnknownId

OURS = ("mpt", "tasks", "pipelines", "flows")
BAD_INPUT, UNKNOWN, FAILED, TRY_AGAIN = 2, 3, 4, 75


def exit_status(error: Exception) -> int | None:
    """Return the status for an error that is the user's to mend; None for a defect of ours.

    Only exceptions of our own classes are told in one line: a ValueError of a library is a defect
    and keeps its traceback.
    """
    if type(error).__module__.partition(".")[0] not in OURS:
        return None
    if isinstance(error, Busy):
        return TRY_AGAIN
    if isinstance(error, UnknownId) or getattr(error, "names_a_prompt", False):
        return UNKNOWN
    return BAD_INPUT if isinstance(error, ValueError | LookupError) else FAILED
