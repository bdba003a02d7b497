"""Waiting for what other processes do."""

import time

import psutil


def wait(until, seconds=180, pause=0.5):
    """Return what `until` says, as soon as it is anything."""
    deadline = time.monotonic() + seconds
    while not (found := until()):
        assert time.monotonic() < deadline
        time.sleep(pause)
    return found


def lives(pid):
    """Say whether a process runs."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
