"""What starts by itself, on servers and a worker that really run it."""

import re
from pathlib import Path

import pytest
import yaml

from flows.events import tell_changed
from tests.flows.running import started
from tests.waiting import wait

pytestmark = [pytest.mark.servers, pytest.mark.timeout(1800)]

GUIDE = Path(__file__).parents[2] / "docs" / "own_tasks.md"
QUICK = {"steps": 2, "batch_size": 4, "validations": 1}


def block(kind):
    """Return the guide's first block of code of a kind."""
    return re.search(rf"```{kind}\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)[1]


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    return tmp_path_factory.mktemp("watched")


@pytest.fixture(scope="module")
def up(server, make_home, spec, watched, tmp_path_factory):
    """Servers that watch a folder; one source prompt is champion."""
    recipe = tmp_path_factory.mktemp("recipe") / "recipe.yaml"
    recipe.write_text(yaml.safe_dump({"backbone": spec["backbone"], **QUICK}))
    home = make_home()
    with started(home, watch=watched, watch_recipe=recipe) as running:
        crown(running, spec, seed=0)
        yield running


def crown(up, spec, seed):
    """Learn a source prompt here, and make it champion."""
    said = up.home.run("learn", up.home.write(spec | {"targets": [], "seeds": [seed]}), "--json")
    assert said.status == 0, said.err
    prompt = said.json[0]["prompt"]
    assert up.here("promote", prompt, "--force", "a test").status == 0
    return prompt


def ordered(up, count):
    """Wait until so many adaptations have ended; there is not one more."""
    wait(lambda: len(up.runs("adapt-target", "COMPLETED")) == count, seconds=400)
    up.reconcile()
    assert len(up.runs("adapt-target")) == count


def adapted(up):
    """Return the source of each adaptation of the guide's task, in order."""
    query = (
        "SELECT prompt_sha FROM run JOIN run_prompt ON run_id = id AND role = 'source' "
        "WHERE stage = 'adapt' AND status = 'completed' AND task = 'visits' ORDER BY started_at"
    )
    return [sha for (sha,) in up.home.query(query)]


def test_a_task_file_that_is_dropped_is_adapted_to_once(up, watched):
    (watched / "visits.csv").write_text(block("csv"), encoding="utf-8")
    (watched / "visits.yaml").write_text(block("yaml"), encoding="utf-8")
    wait(lambda: up.runs("adapt-target"), seconds=400)  # the clock finds it, if the event is lost
    for _ in range(2):
        tell_changed("task-files", up.client)
    ordered(up, 1)
    assert len(adapted(up)) == 1


def test_a_new_champion_has_it_adapted_again_once(up, spec):
    new = crown(up, spec, seed=1)
    wait(lambda: len(up.runs("adapt-target")) == 2, seconds=400)
    tell_changed("champion", up.client)
    ordered(up, 2)
    assert adapted(up)[-1] == new


def test_what_an_event_missed_the_clock_finds(up, watched):
    name = {"automations": {"name": {"any_": ["prompt-transfer: what changed is looked at"]}}}
    (one,) = up.prefect("/automations/filter", name).json
    up.prefect(f"/automations/{one['id']}", {"enabled": False}, method="PATCH")
    more = "".join(f"{number},remark {number},Good\n" for number in range(17, 40))
    (watched / "visits.csv").write_text(block("csv") + more, encoding="utf-8")
    up.reconcile()
    ordered(up, 3)
    assert adapted(up)[-1] == adapted(up)[-2]


def test_what_is_no_task_is_told_in_the_log_and_hinders_nothing(up, watched):
    (watched / "bad.yaml").write_text("kind: nonsense\n")
    up.reconcile()
    wait(lambda: any("bad.yaml" in line for line in newest_lines(up)))  # they are sent in batches
    assert len(up.runs("adapt-target")) == 3


def newest_lines(up):
    """Return what flow runs logged last."""
    logs = up.prefect("/logs/filter", {"limit": 200, "sort": "TIMESTAMP_DESC"}).json
    return [one["message"] for one in logs]
