"""What starts by itself, on a real Prefect server that nobody works for: orders are what counts."""

import os
import re
import shutil
from pathlib import Path
from unittest import mock
from uuid import UUID

import pytest
import yaml

from flows.triggers import order_due
from flows.watched import Watching

GUIDE = Path(__file__).parents[2] / "docs" / "own_tasks.md"
QUICK = {"steps": 2, "batch_size": 4, "validations": 1}


def block(kind):
    """Return the guide's first block of code of a kind."""
    return re.search(rf"```{kind}\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)[1]


class Place:
    """A home with two source prompts, and what is due there."""

    def __init__(self, home, watched, recipe, spec):
        self.home, self.watched, self.spec = home, watched, spec
        home.settings |= {
            "PROMPT_TRANSFER_WATCH": str(watched),
            "PROMPT_TRANSFER_WATCH_RECIPE": str(recipe),
        }

    def sources(self):
        """Return the digests of the source prompts, as they were made."""
        made = "SELECT prompt_sha FROM run_prompt JOIN run ON run_id = id"
        query = f"{made} WHERE stage = 'learn' AND role = 'made' ORDER BY started_at"
        return [sha for (sha,) in self.home.query(query)]

    def learn(self, seed):
        said = self.home.run("learn", self.home.write(self.spec | {"seeds": [seed]}))
        assert said.status == 0, said.err
        return self.sources()[-1]

    def promote(self, prompt):
        said = self.home.run("promote", prompt, "--force", "a test")
        assert said.status == 0, said.err

    def ask(self, **settings):
        """Ask what is due, and have it ordered."""
        given = {f"PROMPT_TRANSFER_{name.upper()}": value for name, value in settings.items()}
        with mock.patch.dict(os.environ, self.home.settings | given):
            return order_due()

    def run(self, flow_run):
        """Do here what was ordered, as a worker would."""
        from flows.catalogue import flow_named
        from flows.prefect_api import prefect_client

        with prefect_client() as client:
            parameters = client.read_flow_run(UUID(flow_run)).parameters
        with mock.patch.dict(os.environ, self.home.settings):
            return flow_named("adapt-target")(**parameters)


@pytest.fixture
def place(deployed, after_transfer, tmp_path, spec, write_data):
    watched, recipe = tmp_path / "watched", tmp_path / "recipe.yaml"
    watched.mkdir()
    recipe.write_text(yaml.safe_dump({"backbone": spec["backbone"], **QUICK}))
    rows = write_data(tmp_path / "rows")
    shutil.rmtree(rows / "cola")
    shutil.copytree(Path(after_transfer.settings["PROMPT_TRANSFER_DATA"]) / "cola", rows / "cola")
    after_transfer.settings["PROMPT_TRANSFER_DATA"] = str(rows)
    return Place(after_transfer, watched, recipe, spec)


@pytest.fixture
def drop(place):
    """Put the guide's own task into the watched folder."""

    def put(more=""):
        (place.watched / "visits.csv").write_text(block("csv") + more, encoding="utf-8")
        (place.watched / "visits.yaml").write_text(block("yaml"), encoding="utf-8")

    return put


def test_a_new_champion_has_the_targets_of_the_old_one_adapted_once(place):
    (old,) = place.sources()
    place.promote(old)
    assert place.ask().runs == {}
    place.promote(place.learn(seed=1))
    assert place.ask(readapt="off").runs == {}
    first = place.ask()
    assert sorted(first.runs) == ["cb", "cola"]
    assert first.refused == {}
    assert place.ask() == first  # the same event twice, and the clock after it
    place.run(first.runs["cb"])
    assert place.ask().runs == {"cola": first.runs["cola"]}
    place.promote(old)
    assert place.ask().runs == {}


def test_a_task_file_that_is_dropped_is_adapted_to_once_there_is_a_champion(place, drop):
    drop()
    place.home.run("promote", place.sources()[0], "--archive")
    told = place.ask()
    assert told.runs == {}
    assert "no source prompt is champion" in told.refused["visits.yaml"]
    place.promote(place.sources()[0])
    told = place.ask()
    assert (list(told.runs), told.refused) == (["visits"], {})
    assert place.ask() == told
    (trial,) = place.run(told.runs["visits"]).trials
    assert place.home.query(f"SELECT task, status FROM run WHERE id = '{trial.trained}'") == [
        ("visits", "completed")
    ]
    assert place.ask().runs == {}
    assert place.ask(readapt="off").runs == {}


def test_rows_that_have_changed_make_a_task_due_and_rows_that_were_only_touched_do_not(place, drop):
    drop()
    place.promote(place.sources()[0])
    first = place.ask().runs["visits"]
    place.run(first)
    drop()  # the same again, later
    assert place.ask().runs == {}
    drop("".join(f"{number},remark {number},Good\n" for number in range(17, 40)))
    second = place.ask().runs
    assert list(second) == ["visits"]
    assert second["visits"] != first
    place.run(second["visits"])
    assert place.ask().runs == {}
    assert place.home.query("SELECT count(*) FROM run WHERE task = 'visits' AND stage = 'adapt'")[
        0
    ] == (2,)


def test_rows_of_a_registered_task_that_have_changed_make_its_targets_due(place):
    place.promote(place.sources()[0])
    rows = Path(place.home.settings["PROMPT_TRANSFER_DATA"]) / "cola" / "train.jsonl"
    assert place.ask().runs == {}
    rows.write_text(rows.read_text().replace("word 3 of", "word three of"))
    told = place.ask().runs
    assert list(told) == ["cola"]
    place.run(told["cola"])
    assert place.ask().runs == {}


def test_what_failed_is_not_started_again_by_itself(place, drop):
    from prefect.states import Failed

    from flows.prefect_api import prefect_client

    drop()
    place.promote(place.sources()[0])
    first = place.ask().runs["visits"]
    with prefect_client() as client:
        client.set_flow_run_state(UUID(first), Failed(), force=True)
        assert place.ask().runs == {"visits": first}
        assert client.read_flow_run(UUID(first)).state.is_failed()


BAD = {
    "kind: nonsense": "kind",
    "{": "YAML",
    "name: visits\nkind: classification\nfiles: none.csv\n": "visits.yaml",
}


@pytest.mark.parametrize("text", BAD)
def test_a_task_file_that_is_wrong_is_told_and_stops_nobody_else(text, place, drop):
    place.promote(place.sources()[0])
    drop()
    (place.watched / "bad.yaml").write_text(text)
    told = place.ask()
    assert list(told.runs) == ["visits"]
    assert list(told.refused) == ["bad.yaml"]


def test_rows_that_are_wrong_are_told(place, drop):
    place.promote(place.sources()[0])
    drop("17,a remark,goood\n")
    told = place.ask()
    assert told.runs == {}
    assert "row 17" in told.refused["visits"]


def test_a_recipe_that_is_wrong_is_told(place, drop, tmp_path):
    place.promote(place.sources()[0])
    drop()
    (tmp_path / "recipe.yaml").write_text("steps: -1\nother: 2\n")
    told = place.ask().refused["visits.yaml"]
    assert "steps is -1" in told
    assert "other is not a key of a spec" in told


@pytest.mark.parametrize("name", ["watch", "watch_recipe"])
def test_a_setting_that_names_nothing_is_one_line(name, home, tmp_path):
    said = home.run("up", **{name: tmp_path / "none"})
    assert said.status == 2
    assert f"PROMPT_TRANSFER_{name.upper()} is " in said.err
    assert said.err.count("\n") == 1


def test_a_folder_that_changes_is_noticed(tmp_path):
    given = {"PROMPT_TRANSFER_WATCH": str(tmp_path)}
    with mock.patch.dict(os.environ, given):
        watching = Watching.read()
    seen = [watching.stamp()]
    file = tmp_path / "a.yaml"
    for text in ("one", "three"):
        file.write_text(text)
        seen.append(watching.stamp())
    file.rename(tmp_path / "b.yaml")
    seen.append(watching.stamp())
    assert len(set(seen)) == 4
    shutil.rmtree(tmp_path)
    assert watching.stamp() == ()
