"""MLflow's scoring server with some prompts in it, started and stopped with this process."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from signal import SIGKILL, SIGTERM
from tempfile import TemporaryDirectory
from time import monotonic, sleep

from flows.named import candidates_of
from flows.settings import Settings, open_lineage, open_store
from pipelines.serving import model_folder
from pipelines.serving.loader import open_model
from pipelines.serving.served import served

STOP_WAIT = 10.0  # seconds that a server has to end


class PortTaken(ValueError):
    """Nothing can listen there."""

    def __init__(self, host: str, port: int, reason: OSError) -> None:
        super().__init__(
            f"nothing can listen on {host}:{port} ({reason.strerror or reason}): give another "
            "--port or --host"
        )


class ServerEnded(Exception):
    """The server ended, and nobody has asked it to."""

    def __init__(self, status: int) -> None:
        super().__init__(
            f"MLflow's server ended with status {status}: its own last lines, above, say why"
        )


def run_server(prompts: Sequence[str], host: str, port: int, settings: Settings) -> None:
    """Serve prompts until this process is asked to stop.

    Raises:
        NotNamed, UnknownId: a prompt is not named so.
        NotTogether: they are of several backbones, or of several precisions.
        UnknownBackbone, OtherBackbone: theirs is not here.
        PortTaken: nothing can listen there.
        ServerEnded: it ended by itself.
    """
    with open_lineage(settings) as lineage:
        found = candidates_of(prompts, lineage)
    store = open_store(settings)
    _check_port(host, port)
    with TemporaryDirectory(prefix="prompt-transfer-") as folder:
        card = model_folder.write(Path(folder), [served(one, store) for one in found])
        _check_backbone(card.backbone, folder)
        sys.stderr.write(
            f"serving {', '.join(card.names)} on http://{host}:{port}/invocations; "
            "Ctrl-C stops it\n"
        )
        status = _run(folder, host, port, settings.device)
    if status:
        raise ServerEnded(status)


def _check_backbone(name: str, folder: str) -> None:
    """Open all that the server will open: here, what is wrong is one line."""
    open_model(Path(folder), name, "cpu")


def _check_port(host: str, port: int) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            free.bind((host, port))
        except OSError as error:
            raise PortTaken(host, port, error) from None


def _run(folder: str, host: str, port: int, device: str) -> int:
    """Run the server; return its status, 0 if it was asked to stop."""
    command = [
        sys.executable, "-m", "mlflow", "models", "serve", "--env-manager", "local",
        "--model-uri", folder, "--host", host, "--port", str(port),
    ]  # fmt: skip
    # It starts uvicorn by name, which is beside this Python and perhaps not on the path.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    placed = {
        "PATH": path,
        "MLFLOW_PYFUNC_INFERENCE_CONFIG": json.dumps({"device": device}),
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    }
    server = subprocess.Popen(command, env={**os.environ, **placed}, start_new_session=True)
    try:
        return server.wait()
    except KeyboardInterrupt:
        sys.stderr.write("stopped\n")
        return 0
    finally:
        _stop(server, host, port)


def _stop(server: "subprocess.Popen[bytes]", host: str, port: int) -> None:
    """End MLflow's process and uvicorn's, which are one group, and wait until they have."""
    with suppress(ProcessLookupError):
        os.killpg(server.pid, SIGTERM)
        _wait_until_free(host, port)
        os.killpg(server.pid, SIGKILL)  # whoever has not ended by now
    server.wait()


def _wait_until_free(host: str, port: int) -> None:
    until = monotonic() + STOP_WAIT
    while monotonic() < until:
        try:
            _check_port(host, port)
        except PortTaken:
            sleep(0.1)
        else:
            return
