"""What is said of a task: enough to know how its rows read, as values that JSON has."""

import json

import pytest
import yaml

import tasks
from tasks.describe import definition

EVERY = [*tasks.names(), "rte-numbers", "wsc-attempt", "stsb-attempt", "mini_deed-numbers"]


@pytest.mark.parametrize("name", EVERY)
def test_every_definition_is_json_and_says_how_rows_read(name):
    found = definition(tasks.get(name))
    assert json.loads(json.dumps(found)) == found
    assert found["name"] == name
    assert (found["template"] is None) != (found["read_by"] is None)
    assert found["metrics"]


def test_a_template_is_told_in_full():
    found = definition(tasks.get("rte-numbers"))
    assert found["template"] == "rte sentence1: {sentence1} sentence2: {sentence2}"
    assert found["labels"] == ["0", "1"]
    assert found["source"]["path"] == "nyu-mll/glue"
    assert found["splits"]["validation"] == found["splits"]["test"] == "validation"
    assert definition(tasks.get("multirc-attempt"))["splits"]["cut_groups"]


def test_where_code_reads_a_row_it_is_named():
    assert definition(tasks.get("wsc"))["read_by"] == (
        "tasks.superglue.read_wsc: Return the text with the noun as `* noun *` and the pronoun as "
        "`# pronoun #`."
    )
    assert definition(tasks.get("multirc-numbers"))["read_by"] == "tasks.variants.numbers"


def test_a_generated_task_says_its_seed_and_sizes():
    found = definition(tasks.get("mini_deed"))["source"]
    assert found == {"seed": 42, "sizes": {"train": 2000, "validation": 400, "test": 500}}


def test_a_task_of_ones_own_is_what_its_file_says(tmp_path):
    said = {
        "name": "mine", "files": {"train": "rows.csv"}, "template": "{text}", "answer": "label",
        "labels": {"a": "good", "b": "bad"}, "metric": "accuracy",
    }  # fmt: skip
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(said))
    assert said.items() <= definition(tasks.find(str(tmp_path / "mine.yaml"))).items()
