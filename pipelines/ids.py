"""Ids of things: digests and run ids in hex, of which the first digits are enough to ask with."""

import re
from collections.abc import Sequence

SHORTEST = 6  # digits of an id that are enough to ask with
SEVERAL = 10  # matches that are worth naming
SHOWN = 16  # digits of each


class UnknownId(LookupError):
    """Nothing has this id, or more than one thing has it."""

    def __init__(self, what: str, given: str, matches: Sequence[str] = ()) -> None:
        if matches:
            some = ", ".join(matches)
            reason = f"several ids of a {what} begin with {given!r} ({some}): give more digits"
        elif not is_prefix(given):
            reason = f"{given!r} is not the id of a {what}: give {SHORTEST} to 64 hex digits of it"
        else:
            reason = f"no {what} has the id {given!r}: `prompt-transfer best` prints ids"
        super().__init__(reason)


def is_prefix(given: str) -> bool:
    """Say whether an id may begin so: it is enough of it, and nothing else."""
    return re.fullmatch(rf"[0-9a-f]{{{SHORTEST},64}}", given) is not None
