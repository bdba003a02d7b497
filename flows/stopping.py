"""Ctrl-C, and a scheduler's "terminate": jobs in other threads end too, after their step.

A signal reaches the main thread only. It would raise there, and Prefect would then wait for every
job under way, which may be hours.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event

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
    """Raise KeyboardInterrupt in a job that shall end; called after each training step."""
    if _asked.is_set():
        raise KeyboardInterrupt
