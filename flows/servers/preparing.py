"""Making ready the place where servers are started: one `up` per home, free ports, passwords."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from flows.servers import flow_runs, record
from flows.servers.children import stop
from flows.servers.keys import keys_at
from flows.servers.plan import LOOPBACK, Site

LET_GO = 10.0  # seconds that locks of killed processes may take


class PortTaken(ValueError):
    """A server is to listen where another program does already."""

    def __init__(self, name: str, port: int) -> None:
        super().__init__(
            f"--{name}-port is {port}, and another program listens there: stop it, or give "
            "another port"
        )


class Leftovers(Exception):
    """A dead `up` left servers behind that do not end."""

    try_again = True

    def __init__(self, home: Path) -> None:
        super().__init__(
            f"servers of an earlier `up` in {home} still run and cannot be ended: end them (`ps` "
            "shows them as prefect and mlflow), then try again"
        )


@contextmanager
def alone(home: Path, say: Callable[[str], None]) -> Iterator[int]:
    """Be the only `up` of a home; yield the descriptor of the lock for its servers to inherit.

    Raises:
        AlreadyUp: another one is.
        Leftovers: servers of a dead one do not end.
    """
    folder = record.folder(home)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with record.held(folder / "up.lock") as mine:
        if mine is None:
            raise record.AlreadyUp(home)
        left = record.read(home)
        if pids := [*(left.programs.values() if left else ()), *flow_runs.alive(home).values()]:
            say("stopping what an earlier `up`, which was killed, left running")
            stop(pids)
        deadline = time.monotonic() + LET_GO
        while time.monotonic() < deadline:
            with record.held(folder / "servers.lock") as servers:
                if servers is not None:
                    yield servers
                    return
            time.sleep(0.1)
        raise Leftovers(home)


def site(home: Path, prefect_port: int, mlflow_port: int) -> Site:
    """Return where the servers of `home` will be; write what MLflow reads from a file.

    Raises:
        PortTaken: a port is not free.
        BadKeys: the file of the passwords is no good.
    """
    for name, port in (("prefect", prefect_port), ("mlflow", mlflow_port)):
        if not _is_free(port) or prefect_port == mlflow_port:
            raise PortTaken(name, port)
    folder = record.folder(home)
    keys, new = keys_at(folder / "keys.json")
    users = folder / "mlflow_users.db"
    if new:
        users.unlink(missing_ok=True)  # it knows the old password, and would not take the new one
    at = str(users).replace("%", "%%")
    (folder / "mlflow.ini").write_text(
        f"[mlflow]\ndefault_permission = NO_PERMISSIONS\ndatabase_uri = sqlite:///{at}\n"
    )
    return Site(home, keys, prefect_port, mlflow_port)


def _is_free(port: int) -> bool:
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
