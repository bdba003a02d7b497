"""The commands that start servers, register flows with them, and say how they are."""

import os
import sys
import time
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter, validators

from flows.options import Common, print_json
from flows.settings import PREFIX, BadSetting, Settings

if TYPE_CHECKING:
    from prefect.client.schemas.actions import DeploymentScheduleCreate

Shared = Annotated[Common | None, Parameter(name="*")]
Port = Annotated[int, Parameter(validator=validators.Number(gte=1, lte=65535))]
Runs = Annotated[int | None, Parameter(validator=validators.Number(gte=1))]
PLACES = ("DATA", "WATCH", "WATCH_RECIPE")
"""Settings that name a file or a folder."""


def up(
    *,
    prefect_port: Port = 4200,
    mlflow_port: Port = 5000,
    runs: Runs = None,
    common: Shared = None,
) -> None:
    """Start Prefect, MLflow and a worker on this machine, and stay until Ctrl-C stops all.

    Parameters
    ----------
    prefect_port
        Where Prefect listens, on this machine only.
    mlflow_port
        Where MLflow listens, on this machine only.
    runs
        Flow runs at once [default: 2, or what was given before].
    """
    from flows.servers import record
    from flows.servers.up import serve
    from flows.versions import check_versions

    common, began = common or Common(), time.monotonic()
    settings = _with_home(common)
    check_versions()
    # Each program has a folder of its own: theirs are absolute.
    for name in PLACES:
        if given := os.environ.get(f"{PREFIX}{name}"):
            os.environ[f"{PREFIX}{name}"] = str(Path(given).resolve())
    os.environ[f"{PREFIX}HOME"] = str(settings.home.resolve())

    def ready(known: record.Record) -> None:
        keys = record.folder(settings.home) / "keys.json"
        if common.json:
            print_json({**known.addresses, "keys": str(keys), "pid": known.pid})
        else:
            addresses = "".join(f"{name:<9}{url}\n" for name, url in known.addresses.items())
            sys.stdout.write(
                f"{addresses}up after {time.monotonic() - began:.0f} s; {keys} has the passwords, "
                "logs are beside it. Ctrl-C stops all.\n"
            )
        sys.stdout.flush()

    try:
        serve(settings, (prefect_port, mlflow_port), runs, ready, _say)
    except KeyboardInterrupt:
        _say("all is stopped")


def deploy(
    flow: str | None = None,
    parameters: Path | None = None,
    /,
    *,
    cron: str | None = None,
    interval: timedelta | None = None,
    timezone: str = "UTC",
    runs: Runs = None,
    common: Shared = None,
) -> None:
    """Register all flows with the Prefect server; give one of them a schedule, if asked.

    Parameters
    ----------
    flow
        Which flow gets the schedule: learn-source, transfer, adapt-target, few-shot, ...
    parameters
        A YAML file of what it is called with: of transfer and learn-source the spec; of all others
        their parameters by name, as the server's form has them.
    cron
        When it starts: minute, hour, day, month, weekday.
    interval
        How often it starts: 6h, 1d.
    timezone
        Of the cron line.
    runs
        Flow runs at once [default: 2, or what was given before].
    """
    common = common or Common()
    _with_home(common)
    from flows.deployments import deploy_all
    from flows.prefect_api import prefect_client
    from flows.versions import check_versions

    check_versions()
    schedules = _schedules(flow, parameters, cron, interval, timezone)
    with prefect_client() as client:
        ids = deploy_all(client, runs, schedules)
    if common.json:
        print_json(ids)
    else:
        sys.stdout.write("".join(f"{name:<14}{id}\n" for name, id in ids.items()))


def _schedules(
    flow: str | None, file: Path | None, cron: str | None, interval: timedelta | None, timezone: str
) -> "dict[str, DeploymentScheduleCreate]":
    from flows.parameters import from_file
    from flows.schedules import BadSchedule, schedule

    timed = cron is not None or interval is not None
    if flow is None:
        if timed:
            raise BadSchedule(
                "--cron and --interval are for one flow: name it, as in `deploy transfer`"
            )
        return {}
    given = from_file(flow, file)
    slug = file.stem if file else flow
    return {flow: schedule(slug, cron, interval, timezone, given)}


def status(*, common: Shared = None) -> None:
    """Say what is up, what runs and what waits, and which schedules start what next."""
    common = common or Common()
    settings = _with_home(common)
    from flows import status as asking
    from flows.status_table import show

    found = asking.status(settings.mlflow)
    if common.json:
        print_json(asdict(found))
    else:
        show(found)


def _with_home(common: Common) -> Settings:
    """Read the settings, and make the home: Prefect warns, as it is imported, where it has none."""
    settings = common.use()
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadSetting("home", str(settings.home), f"a folder ({error.strerror})") from None
    return settings


def _say(line: str) -> None:
    sys.stderr.write(f"prompt-transfer: {line}\n")
