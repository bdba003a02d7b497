"""Where events of runs are sent: a file, a line each, or an HTTP endpoint of OpenLineage."""

from pathlib import Path
from urllib.parse import urlsplit

from openlineage.client.event_v2 import RunEvent
from openlineage.client.transport.file import FileConfig, FileTransport
from openlineage.client.transport.http import HttpConfig, HttpTransport
from openlineage.client.transport.transport import Transport

from pipelines import run_events
from pipelines.lineage import Lineage
from pipelines.outbox import Item
from pipelines.relay import Delivered, deliver

ENDPOINT = "/api/v1/lineage"
"""Where OpenLineage's servers listen, if a URL names no path."""
TIMEOUT = 5.0  # seconds to connect, and to answer
REFUSED = (400, 413, 422)  # HTTP's answers to one event that is wrong in itself


class EndpointDown(Exception):
    """Events cannot be sent; they wait in lineage, and nothing else does."""

    try_again = True

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(
            f"OpenLineage's events cannot be sent to {where} ({reason}): they wait in lineage; "
            "when it is mended, publish again"
        )


class EventRefused(ValueError):
    """The endpoint does not take one event."""

    def __init__(self, where: str, status: int) -> None:
        super().__init__(f"{where} answered {status} to this event, which it does not take")


def send_events(lineage: Lineage, where: str) -> Delivered:
    """Send all events that are due, in order.

    Args:
        lineage: where they are made from.
        where: a file, or an http(s) URL.

    Raises:
        EndpointDown: what was not sent stays due.
        Busy: another process has been sending for minutes.
    """
    transport = _opened(where)

    def tell(item: Item) -> list[str]:
        with lineage.database.reading() as connection:
            event = run_events.event(connection, item.subject, item.what)
        _send(transport, event, where)
        return [f"{item.what} {item.subject}"]

    try:
        return deliver(lineage, "openlineage", tell, down=EndpointDown)
    finally:
        transport.close()


def _opened(where: str) -> Transport:
    parts = urlsplit(where)
    if parts.scheme not in {"http", "https"}:
        return FileTransport(FileConfig(log_file_path=where, append=True))
    path = parts.path if parts.path.strip("/") else ENDPOINT
    query = f"?{parts.query}" if parts.query else ""
    return HttpTransport(
        HttpConfig(
            url=f"{parts.scheme}://{parts.netloc}",
            endpoint=f"{path}{query}",
            timeout=TIMEOUT,
            retry={"total": 0},  # the outbox tries again, and nobody waits for it
        )
    )


def _send(transport: Transport, event: RunEvent, where: str) -> None:
    try:
        if isinstance(transport, FileTransport):
            _begin_line(Path(where))
        transport.emit(event)
    except (OSError, RuntimeError) as error:  # those of requests are OSErrors
        answer = getattr(error, "response", None)
        if answer is None:
            raise EndpointDown(_named(where), _root(error)) from error
        if answer.status_code in REFUSED:
            raise EventRefused(_named(where), answer.status_code) from error
        raise EndpointDown(_named(where), f"it answered {answer.status_code}") from error


def _begin_line(file: Path) -> None:
    """Make the folder, and end a line that a full disk has cut."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.exists() or not file.stat().st_size:
        return
    with file.open("rb+") as opened:
        opened.seek(-1, 2)
        if opened.read() != b"\n":
            opened.write(b"\n")


def _named(where: str) -> str:
    """Return the endpoint without a password or a key in it."""
    parts = urlsplit(where)
    if parts.scheme not in {"http", "https"}:
        return where
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}{parts.path}"


def _root(error: BaseException) -> str:
    """Return the first cause in one line: the wrapping ones repeat the URL, with what is in it."""
    while cause := error.__cause__ or error.__context__:
        error = cause
    return f"{type(error).__name__}: {error}"
