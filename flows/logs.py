"""The command that prints what a job said."""

import sys
from pathlib import Path

from flows.commands import Shared
from flows.options import Common, print_json


def logs(run: str, /, *, common: Shared = None) -> None:
    """Print the log of a run's job, also of one that was killed.

    Parameters
    ----------
    run
        The id of a run, or of a job as errors name it; the first 6 digits are enough.
    """
    common = common or Common()
    settings = common.use()
    from flows.job_log import find_log

    log: Path = find_log(settings.home, run)
    text = log.read_text(errors="replace")
    if common.json:
        print_json({"file": str(log), "lines": text.splitlines()})
    else:
        sys.stdout.write(text)
