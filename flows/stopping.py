"""Ctrl-C, and a scheduler's "terminate": jobs in other threads and processes end too.

A signal reaches the main thread only. It would raise there, and Prefect would then wait for every
job under way, which may be hours.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event

from pipelines.services import OnStep

_asked = Event()


@contextmanager
def passed_on() -> Iterator[None]:
    """Pass on to the jobs what stops the thread that waits for them, here in the block."""
    _asked.clear()
    try:
        yield
    except Exception:
        raise
    except BaseException:  # KeyboardInterrupt, or Prefect's own for SIGTERM
        _asked.set()
        raise


def check() -> None:
    """Raise KeyboardInterrupt in a job that shall end."""
    if _asked.is_set():
        raise KeyboardInterrupt


def checked(on_step: OnStep) -> OnStep:
    """Return `on_step`, which raises KeyboardInterrupt in a job that shall end."""

    def checking(step: int, loss: float) -> None:
        check()
        on_step(step, loss)

    return checking
