"""The Prefect server that this process is told to use, and what may be wrong with it."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.settings import PREFECT_API_URL

from flows.servers.health import answers


class NoServer(ValueError):
    """A command needs a Prefect server, and none is named."""

    def __init__(self) -> None:
        super().__init__(
            "no Prefect server is known here: `prompt-transfer up` starts one for this --home, or "
            "set PREFECT_API_URL"
        )


class ServerDown(ConnectionError):
    """The Prefect server does not answer. A `ConnectionError`: waiting may cure it."""

    try_again = True

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"the Prefect server at {url} {reason}: see that it is up, and try again")


class NotAllowed(ValueError):
    """The Prefect server does not take our password."""

    def __init__(self, url: str) -> None:
        super().__init__(
            f"the Prefect server at {url} wants another password: set PREFECT_API_AUTH_STRING, or "
            "unset PREFECT_API_URL to find what `prompt-transfer up` started"
        )


@contextmanager
def prefect_client() -> Iterator[SyncPrefectClient]:
    """Open a client of the server that is configured.

    Raises:
        NoServer: there is none.
        ServerDown: it does not answer, or fails.
        NotAllowed: it wants a password that we do not have.
    """
    url = PREFECT_API_URL.value()
    if not url:
        raise NoServer
    if not answers(f"{url}/health", word=b"true"):  # Prefect's own client tries for minutes
        raise ServerDown(url, "does not answer as Prefect's API, which ends in /api")
    try:
        with get_client(sync_client=True) as client:
            yield client
    except httpx.HTTPStatusError as error:
        status = error.response.status_code
        if status in {401, 403}:
            raise NotAllowed(url) from error
        if status < 500:
            raise  # we asked for nonsense
        raise ServerDown(url, f"said {status}") from error
    except httpx.TransportError as error:
        raise ServerDown(url, f"failed ({type(error).__name__})") from error
