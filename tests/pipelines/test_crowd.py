"""Many processes that record at once lose nothing."""

import json

CROWD = """
import json, sys
from pathlib import Path
from benchmarks.lineage_crowd import crowd, lost
url, locks = sys.argv[1], Path(sys.argv[2])
done = crowd(url, locks, processes=16, each=int(sys.argv[3]))
print(json.dumps([done, lost(url, locks, done)]))
"""
EACH = 5


def test_sixteen_processes_at_once_lose_nothing(url, locks, python):
    asked = python(CROWD, url, locks, EACH)
    said, _ = asked.communicate(timeout=240)
    done, lost = json.loads(said)

    assert lost == {}
    assert asked.returncode == 0
    assert len({run for run, _ in done}) == 16 * EACH
