"""The hub's seam, without a network: a dataset folder, a cache, and no hub at all."""

import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import datasets
import pyarrow
import pytest
from pyarrow import parquet

import tasks
from tasks import hub
from tasks.data import load
from tasks.hub import HubUnreachable
from tasks.own.survey import survey
from tasks.rows import BadRow
from tasks.task import Example, Hub

COMMIT = "0123456789" * 4
ROWS = [{"sentence1": f"A {n}", "sentence2": "B", "label": n % 2, "idx": n} for n in range(8)]


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """An empty working folder and cache, and a hub that is never asked."""
    cache = tmp_path / "cache"
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(cache))
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.chdir(tmp_path)
    datasets.disable_progress_bars()
    yield tmp_path
    datasets.enable_progress_bars()


def dataset_folder(root, rows=ROWS):
    """Write `root`/owner/name, which `datasets` reads as it reads a repository of the hub."""
    folder = root / "owner" / "name"
    folder.mkdir(parents=True)
    for split in ("train", "validation"):
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def cached(root):
    """Leave what a download of COMMIT leaves in the cache, and nothing else."""
    dataset_folder(root)
    hub.read(Hub("owner/name", None, None))
    (made,) = (root / "cache" / "name" / "default" / "0.0.0").glob("*/")
    there = root / "cache" / "owner___name" / "default" / "0.0.0" / COMMIT
    shutil.copytree(made, there)
    shutil.rmtree(root / "owner")


def task(revision=None):
    return replace(tasks.get("rte"), source=Hub("owner/name", None, revision))


def test_rows_come_through_the_datasets_library_and_an_unknown_commit_is_said(offline):
    dataset_folder(offline)
    data = load(task())
    assert [len(part) for part in data[:3]] == [8, 4, 4]
    assert data.train[1].input == "rte sentence1: A 1 sentence2: B"
    assert (data.origin, data.revision) == ("owner/name", None)
    assert data.warnings == ("the commit of owner/name could not be told; it is not recorded",)


def test_hub_rows_and_local_rows_are_the_same_data(offline):
    dataset_folder(offline)
    shutil.copytree(offline / "owner" / "name", offline / "data" / "rte")
    remote, local = load(task()), load(task(), offline / "data")
    assert tasks.digest(task(), remote.test) == tasks.digest(task(), local.test)


def test_named_files_of_a_branch_are_read_and_no_others(offline):
    folder = offline / "owner" / "name" / "en"
    for split, count in (("train", 5), ("validation", 3), ("challenge_train_sample", 7)):
        (folder / split).mkdir(parents=True)
        table = pyarrow.Table.from_pylist(ROWS[:count])
        parquet.write_table(table, folder / split / "0000.parquet")
    files = {split: f"en/{split}/*.parquet" for split in ("train", "validation")}
    read = hub.read(Hub("owner/name", None, "refs/convert/parquet", files))
    assert {split: len(rows) for split, rows in read.splits.items()} == {
        "train": 5,
        "validation": 3,
    }


def test_a_bad_row_of_the_hub_is_named(offline):
    dataset_folder(offline, [*ROWS, ROWS[0] | {"label": -1}])
    with pytest.raises(BadRow, match="owner/name train, row 9: column 'label' is -1"):
        load(task())


@pytest.mark.parametrize("pinned", [COMMIT, None])
def test_a_cached_copy_says_which_commit_it_is(offline, pinned):
    cached(offline)
    data = load(task(pinned))
    assert (data.revision, data.warnings) == (COMMIT, ())


def test_a_cached_copy_of_another_commit_is_not_taken_for_the_pinned_one(offline):
    cached(offline)
    with pytest.raises(HubUnreachable, match=f"wanted commit {'f' * 40}, only {COMMIT} is here"):
        load(task("f" * 40))


def test_a_hub_that_cannot_be_reached_is_one_line_that_says_what_to_do(offline):
    with pytest.raises(HubUnreachable) as caught:
        load(tasks.get("sst2"))
    message = str(caught.value)
    assert message.startswith("no rows of nyu-mll/glue sst2 from the Hugging Face hub (Connection")
    assert message.endswith("put its files into a folder and pass --data DIR")
    assert "\n" not in message
    assert isinstance(caught.value, LookupError)  # one line for the user
    assert isinstance(caught.value, ConnectionError)  # worth a retry for a flow


def test_the_commit_is_read_from_the_files_of_a_builder():
    def builder(files, digest):
        return SimpleNamespace(config=SimpleNamespace(data_files=files), hash=digest)

    path = f"hf://datasets/nyu-mll/glue@{COMMIT}/sst2/train-00000-of-00001.parquet"
    assert hub.commit(builder({"train": [path]}, "f" * 40)) == COMMIT
    assert hub.commit(builder(None, "f" * 40)) == "f" * 40
    assert hub.commit(builder({"train": ["/data/train.parquet"]}, "0123456789abcdef")) is None


def test_a_task_of_ones_own_may_take_its_rows_from_the_hub(offline):
    dataset_folder(offline)
    definition = {
        "name": "pairs", "hub": {"path": "owner/name"}, "template": "{sentence1}, {sentence2}",
        "answer": "label", "labels": {"0": "no", "1": "yes"}, "metric": "accuracy",
    }  # fmt: skip
    (offline / "pairs.yaml").write_text(json.dumps(definition))
    mine = tasks.find("pairs.yaml")
    found = survey(mine, None)
    assert (found.rows, found.errors) == ({"train": 8, "validation": 8}, 0)
    assert "owner/name validation: 8 rows have a text that" in found.findings[0].message
    data = load(mine)
    assert [len(part) for part in data[:3]] == [7, 8, 1]
    assert data.validation[1] == Example("A 1, B", ("yes",), fields=((0, 3), (5, 6)))
    assert data.origin == "owner/name"
