"""Registers all flows with a server that is just starting: `python -m flows.servers.registering`.

A program of its own: what it imports takes as long as the server does, so they go side by side.
"""

import os
import sys
import time

from flows.servers.health import LONGEST, POLL, answers


def main() -> None:
    """Wait for the server, then register; the first argument says how many runs go at once."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else None
    from flows.deployments import deploy_all, is_deployed, make_pool
    from flows.prefect_api import prefect_client

    deadline = time.monotonic() + LONGEST
    while not answers(f"{os.environ['PREFECT_API_URL']}/health") and time.monotonic() < deadline:
        time.sleep(POLL)
    with prefect_client() as client:
        if is_deployed(client):  # to import all flows takes seconds, to find nothing new
            make_pool(client, runs)
        else:
            deploy_all(client, runs)


if __name__ == "__main__":
    main()
