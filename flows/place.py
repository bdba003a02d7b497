"""Where a command's flow runs: in this process, or on the Prefect server."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flows.options import Common

if TYPE_CHECKING:
    from flows.orders import Order


class NothingToWaitFor(ValueError):
    """A command is to wait for the server, and runs nothing there."""

    def __init__(self) -> None:
        super().__init__("--wait is for what runs on a server: give --remote too, or leave it out")


@dataclass(frozen=True)
class Place:
    """Where to run.

    Parameters
    ----------
    remote
        Run it on the Prefect server, and print the run's address; the same twice is one run.
    wait
        With --remote: wait until it has ended, and print what it found.

    Raises:
        NothingToWaitFor: it is to wait, and nothing runs there.
    """

    remote: bool = False
    wait: bool = False

    def __post_init__(self) -> None:
        if self.wait and not self.remote:
            raise NothingToWaitFor


def fulfil(order: "Order", place: Place | None, common: Common) -> Any:
    """Have a flow run; return its outcome, or None where nobody waits for it.

    Raises:
        JobsFailed, RunFailed: it failed here, or there.
    """
    place = place or Place()
    if not place.remote:
        from flows.running import here

        return here(order)
    from flows import remote

    started = remote.start(order)
    if not place.wait:
        remote.tell(started, common.json)
        return None
    return remote.follow(order, started)
