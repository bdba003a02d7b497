"""The setting that says where events of OpenLineage go: PROMPT_TRANSFER_OPENLINEAGE."""

from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit


class BadEndpoint(ValueError):
    """Events cannot go where they are told to."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"PROMPT_TRANSFER_OPENLINEAGE {problem}")


def checked(given: str) -> str:
    """Return a file, an http(s) URL or nothing as it is given; no connection is opened.

    Raises:
        BadEndpoint: it can be none of these, or the package is not installed.
    """
    if not given:
        return given
    if find_spec("openlineage") is None:
        raise BadEndpoint("needs a package: pip install 'prompt-transfer[openlineage]'")
    scheme, is_url, _ = given.partition("://")
    if is_url and not (scheme in {"http", "https"} and _has_host(given)):
        raise BadEndpoint(f"begins with {scheme}://: give a file, or an http(s) URL with a host")
    if not is_url and Path(given).is_dir():
        raise BadEndpoint(f"is the folder {given!r}: give a file in it, or an http(s) URL")
    return given


def _has_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number
        return False
