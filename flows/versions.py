"""Pairs of versions that install together, and do not work together."""

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple

from packaging.specifiers import SpecifierSet
from packaging.version import Version


class Pair(NamedTuple):
    """With such a Prefect, `package` must be one of `allowed`, or `harm` is done."""

    prefect: str
    package: str
    allowed: str
    harm: str


# Seen by running them (Prefect 3.8.8 to 3.9.1); pip says of each that nothing is broken.
PAIRS = (
    Pair(">=3.8", "fastapi", ">=0.139,<0.151", "its server does not start, or its commands fail"),
    Pair("<3.9.1", "sqlalchemy", ">=2.0.40,<2.1", "its schedules silently create no runs"),
)


class WrongVersions(ValueError):
    """What is installed does not work together."""

    def __init__(self, broken: list[str]) -> None:
        super().__init__(f"{'; '.join(broken)}: install with `-c constraints.txt`")


def broken_pairs(installed: Callable[[str], str] = version) -> list[str]:
    """Return what is wrong with the versions that are installed, a sentence each; cheap."""
    prefect = installed("prefect")
    return [
        f"with Prefect {prefect} and {one.package} {found}, {one.harm}: {one.package} must be "
        f"{one.allowed}"
        for one in PAIRS
        if _within(prefect, one.prefect)
        and not _within(found := _of(one.package, installed), one.allowed)
    ]


def check_versions() -> None:
    """Refuse to start anything with versions that do not work together.

    Raises:
        WrongVersions: with all that is wrong.
    """
    if broken := broken_pairs():
        raise WrongVersions(broken)


def _within(found: str, wanted: str) -> bool:
    return SpecifierSet(wanted, prereleases=True).contains(Version(found))


def _of(package: str, installed: Callable[[str], str]) -> str:
    try:
        return installed(package)
    except PackageNotFoundError:
        return "0"
