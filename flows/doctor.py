"""The command that finds what is wrong, says what it does about it, and does it."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, TextIO

from cyclopts import Parameter

from flows.errors import OURS, WRONG
from flows.options import Common, print_json
from flows.settings import LineageDown, Settings, open_store

if TYPE_CHECKING:
    from pipelines.doctor.finding import Finding, Home, Skipped
    from pipelines.outbox import Sink
    from pipelines.relay import Delivered

Shared = Annotated[Common | None, Parameter(name="*")]


def doctor(*, fix: bool = False, common: Shared = None) -> None:
    """Find what crashes, disks and hands have left wrong, and say what can be done about it.

    Nothing is changed without --fix. The exit status is 5 if something is wrong, or stays so; what
    only takes place, such as old lock files, does not count.

    Parameters
    ----------
    fix
        Repair it; each repair is printed before it is made.
    """
    common = common or Common()
    settings = common.use()
    say = _saying(sys.stderr if common.json else sys.stdout)
    told = [_treated(one, fix, say) for one in _examination(settings)]
    wrong = sum(one.get("state") in {"found", "not repaired"} for one in told)
    if common.json:
        print_json({"wrong": wrong, "found": told})
    else:
        say(_summary(told, wrong))
    if wrong:
        sys.exit(WRONG)


def _examination(settings: Settings) -> Iterator["Finding | Skipped"]:
    from sqlalchemy.exc import SQLAlchemyError

    from flows import installation
    from pipelines.doctor.examination import examine
    from pipelines.doctor.schema import absent

    yield from installation.findings(settings)
    try:
        if missing := absent(settings.lineage, settings.home / "store"):
            yield missing
            return
        with _home(settings) as home:
            yield from examine(home)
    except SQLAlchemyError as error:
        raise LineageDown(error) from error


@contextmanager
def _home(settings: Settings) -> Iterator["Home"]:
    from flows.publishing import send_events
    from pipelines.database import connect
    from pipelines.doctor.finding import Home
    from pipelines.lineage import Lineage
    from pipelines.places import Folder
    from pipelines.promotion import review
    from pipelines.registry import Registry

    # Not `Lineage.open`, which migrates.
    lineage = Lineage(connect(settings.lineage), settings.home / "locks", sinks=settings.sinks)
    store = open_store(settings)
    registry = Registry(lineage, store, settings.mlflow, settings.home.resolve() / "mlflow")
    tell: dict[Sink, Callable[[], Delivered]] = {
        "gate": lambda: review(lineage, store),
        "registry": registry.publish_pending,
    }
    tell |= {sink: lambda: send_events(lineage) for sink in settings.sinks}
    folders = [settings.home / name for name in ("checkpoints", "cache")]
    if isinstance(store.place, Folder):
        folders.append(store.place.root)
    try:
        yield Home(lineage, registry, settings.home / "checkpoints", folders, tell, _noting())
    finally:
        lineage.close()


def _treated(one: "Finding | Skipped", fix: bool, say: Callable[[str], None]) -> dict[str, Any]:
    """Print what was found, repair it if that is asked for, and return what is said in JSON."""
    from pipelines.doctor.finding import Skipped

    if isinstance(one, Skipped):
        say(f"{one.part}: not examined: {one.why}")
        return {"part": one.part, "skipped": one.why}
    does = f"--fix {one.remedy}" if one.mend else one.remedy
    say(f"{one.part}: {one.what}: {does}")
    told: dict[str, Any] = {"part": one.part, "what": one.what, "remedy": one.remedy}
    told |= {"repairable": one.mend is not None, "state": "harmless" if one.harmless else "found"}
    if not fix or one.mend is None:
        return told
    why = _mended(one.mend)
    say(f"  not repaired: {why}" if why else "  repaired")
    return told | ({"state": "not repaired", "why": why} if why else {"state": "repaired"})


def _saying(out: TextIO) -> Callable[[str], None]:
    """Return what prints one line, before anything else happens."""
    from tasks.own.files import printable

    def say(line: str) -> None:
        out.write(f"{printable(line)}\n")
        out.flush()

    return say


def _mended(mend: Callable[[], object]) -> str:
    """Make a repair; return why it could not be made, or nothing."""
    from sqlalchemy.exc import SQLAlchemyError

    try:
        mend()
    except Exception as error:
        foreign = type(error).__module__.partition(".")[0] not in OURS
        if foreign and not isinstance(error, OSError | SQLAlchemyError):
            raise  # a defect of ours
        return " ".join(str(error).split())
    return ""


def _summary(told: list[dict[str, Any]], wrong: int) -> str:
    states = [one.get("state") for one in told]
    if not wrong:
        return "all is well now" if "repaired" in states else "nothing is wrong"
    can = sum(one.get("state") == "found" and one["repairable"] for one in told)
    return f"{wrong} {'thing is' if wrong == 1 else 'things are'} wrong; --fix repairs {can}"


def _noting() -> Callable[[str], None]:
    """Return what prints on stderr how far the examination is: after 2 s, then more rarely."""
    wait = 2.0
    after = time.monotonic() + wait

    def note(said: str) -> None:
        nonlocal wait, after
        if time.monotonic() < after:
            return
        sys.stderr.write(f"{said}\n")
        wait = min(2 * wait, 60.0)
        after = time.monotonic() + wait

    return note
