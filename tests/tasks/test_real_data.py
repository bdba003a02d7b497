"""Published rows through the protocol; PROMPT_TRANSFER_DATA is a folder of <task>/<split> files."""

import os
import re
from pathlib import Path

import pytest

import tasks
from flows import tables
from tasks import local
from tasks.data import EmptySplit, load
from tasks.local import MissingData
from tasks.metrics import majority
from tasks.stats import measure

FOLDER = Path(os.environ.get("PROMPT_TRANSFER_DATA", ""))
pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(
        "PROMPT_TRANSFER_DATA" not in os.environ, reason="PROMPT_TRANSFER_DATA is not set"
    ),
]

MAJORITY = {
    "cola": 0.0, "sst2": 50.9, "mrpc": 67.2, "stsb": 0.0, "qqp": 62.3, "mnli": 35.4, "qnli": 49.5,
    "rte": 52.5, "wnli": 55.6, "boolq": 62.5, "cb": 57.1, "copa": 50.0, "multirc": 0.0,
    "superglue_rte": 52.5, "wic": 49.8, "wsc": 57.7,
}  # fmt: skip

# What the folder's SOURCES.md counts, after the protocol. SST-2, QNLI, QQP, MNLI, MultiRC and
# BoolQ have a sample of their training rows there, and QQP one of its validation rows.
SIZES = {
    "cola": (8_551, 521, 522),
    "sst2": (19_000, 1_000, 872),
    "mrpc": (3_668, 204, 204),
    "stsb": (5_749, 750, 750),
    "qqp": (7_999, 1_000, 1_000),
    "mnli": (8_999, 1_000, 9_815),
    "qnli": (8_999, 1_000, 5_463),
    "rte": (2_490, 138, 139),
    "wnli": (635, 35, 36),
    "boolq": (64, 1_635, 1_635),
    "cb": (250, 28, 28),
    "copa": (400, 50, 50),
    "multirc": (800, 2_424, 2_424),
    "superglue_rte": (2_490, 138, 139),
    "wic": (5_428, 319, 319),
    "wsc": (554, 52, 52),
}

# `tasks.digest` of train and test, its first 16 digits: every text and answer, and their order.
DIGESTS = {
    "cola": ("c5cc25b717554828", "9bfbbdbca5a231aa"),
    "cola-attempt": ("f60851bc3aff43dc", "3e8c3090d0a886bd"),
    "sst2": ("d09e6028234309f6", "e4959e39d88ae847"),
    "sst2-attempt": ("f16b8739f7ce0bae", "abc5b01786acfb7f"),
    "mrpc": ("dbc4cac90a93d410", "eae71861528c1140"),
    "mrpc-attempt": ("29f8620d621960b5", "e2e88583c38b6768"),
    "stsb": ("1323186d486b1dd9", "ba0461f57c4916c1"),
    "stsb-attempt": ("bb00a628a075458d", "5ce7faabde6a0ade"),
    "qqp": ("36e1e3e7887503d0", "4667f92d5e10cb1d"),
    "qqp-attempt": ("da6d906528bb42f1", "e8e073e4c577ac19"),
    "mnli": ("9adeffd3cc8b6acc", "b3efbbb833e41670"),
    "mnli-attempt": ("7857583dc35a033f", "8042c31fdc0a97e9"),
    "mnli_mm": ("9adeffd3cc8b6acc", "fa44917e341a4b57"),
    "mnli_mm-attempt": ("7857583dc35a033f", "f0ebafaa0b7603d4"),
    "qnli": ("0a147c69dcf66628", "7cbb842a7d90f888"),
    "qnli-attempt": ("87be3b13c0d0a3c1", "c1164881895602cd"),
    "rte": ("ff6d9e951d9d8e4f", "ff179d27846d795f"),
    "rte-attempt": ("900804f22742d337", "38defececb06d67f"),
    "wnli": ("14b79f5ef222af87", "2972a7399da9346b"),
    "wnli-attempt": ("b4ea639c9f15999a", "31ff6e2a5dbbf9c8"),
    "boolq": ("86d890814bdc5d1b", "2143b06d23c84ae7"),
    "boolq-attempt": ("72cb5c24ccd9b693", "850af899551e7fe8"),
    "cb": ("31fa574b2873ccfc", "11a162cf378ae1b6"),
    "cb-attempt": ("a17aa5e07bc0489e", "e316905fc1750473"),
    "copa": ("38d80a61964d9e60", "7b7cb35b86b81368"),
    "copa-attempt": ("3e6610ed900a4cf6", "65f57da654756b5b"),
    "multirc": ("b8bff60c2eca4dee", "f36cb958f7ff76b7"),
    "multirc-attempt": ("e9753cbef5c05502", "f004826f24c7beab"),
    "superglue_rte": ("f94b800abba96406", "1d833888ae6a2a08"),
    "superglue_rte-attempt": ("f0200dcd3bc92bf0", "4d85c7f81c2ef9cc"),
    "wic": ("c01ddade8c59b8fc", "2c46c4ebe124ac94"),
    "wic-attempt": ("7631af41a418a45e", "29f6736d2e345eaa"),
    "wsc": ("d022cb7cdf31ae02", "43bb6befd63b0667"),
    "wsc-attempt": ("a40493f6ce8c7943", "da93c54cfc573ca7"),
}


@pytest.mark.parametrize("name", DIGESTS)
def test_rendered_rows_are_pinned(name):
    task = tasks.get(name)
    data = load(task, FOLDER)
    assert tuple(tasks.digest(task, part)[:16] for part in (data.train, data.test)) == DIGESTS[name]


def test_majority_baselines_of_the_folder():
    found = {name: measure(tasks.get(name), FOLDER) for name in MAJORITY}
    assert {name: round(one.majority, 1) for name, one in found.items()} == MAJORITY
    assert {name: tuple(one.rows.values()) for name, one in found.items()} == {
        name: SIZES[name] for name in MAJORITY
    }


def test_the_docs_have_these_counts_and_baselines(capsys):
    text = (Path(tasks.__file__).parents[1] / "docs" / "tasks.md").read_text(encoding="utf-8")
    block = text.partition("## Counts")[2].split("```\n")[1]
    tables.show_stats([measure(task, FOLDER) for task in tasks.all_tasks()])
    assert capsys.readouterr().out == block


# Tasks of which the folder has too little for the protocol: all rows of one file.
FILES = {
    ("squad", "validation_full.jsonl.gz"): (10_570, "bbbc387d4b59b82b"),
    ("record", "train.jsonl"): (64, "117871619540c1d0"),
    ("record-attempt", "train.jsonl"): (64, "d55ef9123ef08f20"),
}


@pytest.mark.parametrize(("name", "file"), FILES)
def test_rendered_rows_of_a_file_are_pinned(name, file):
    task = tasks.get(name)
    read = [task.read(row) for _, row in local.read(FOLDER / (task.folder or task.name) / file)]
    assert (len(read), tasks.digest(task, read)[:16]) == FILES[name, file]


@pytest.mark.parametrize("name", SIZES)
def test_rows_after_the_protocol(name):
    task = tasks.get(name)
    data = load(task, FOLDER)
    assert (len(data.train), len(data.validation), len(data.test)) == SIZES[name]
    assert len(data.warnings) == (name == "mnli")
    answers = {example.answers[0] for part in data[:3] for example in part}
    if task.labels:
        assert answers == set(task.labels)
    for metric in task.metrics.values():
        assert metric([example.answers[0] for example in data.test], data.test) == pytest.approx(
            100
        )


def test_mnli_without_its_mismatched_split_warns():
    (warning,) = load(tasks.get("mnli"), FOLDER).warnings
    assert "'mnli' has no split 'validation_mismatched' here" in warning


def test_no_multirc_question_is_in_both_halves():
    data = load(tasks.get("multirc"), FOLDER)
    halves = [{example.group for example in part} for part in (data.validation, data.test)]
    assert not halves[0] & halves[1]
    assert len(halves[0]) + len(halves[1]) == 953


def test_stsb_writes_26_strings():
    data = load(tasks.get("stsb"), FOLDER)
    answers = {example.answers[0] for example in data.train}
    assert answers == {f"{step / 5:.1f}" for step in range(26)}


def test_nearly_every_wsc_row_has_both_marks():
    data = load(tasks.get("wsc"), FOLDER)
    inputs = [example.input for part in data[:3] for example in part]
    whole = [text for text in inputs if re.search(r"\* .+ \*", text) and re.search("# .+ #", text)]
    assert (len(inputs), len(whole)) == (658, 656)  # two rows count their words wrongly


def test_the_majority_of_wsc_is_the_two_thirds_that_the_tables_are_full_of():
    task = tasks.get("wsc")
    data = load(task, FOLDER)
    both = [*data.validation, *data.test]
    guess = majority(task, data.train, both)
    assert task.metrics["accuracy"](guess, both) == pytest.approx(100 * 66 / 104)


def test_record_has_too_few_rows_there_and_squad_no_training_rows():
    with pytest.raises(EmptySplit, match=r"'record' has no rows left for train .read: train 64"):
        load(tasks.get("record"), FOLDER)
    with pytest.raises(MissingData, match="no train rows of 'squad'"):
        load(tasks.get("squad"), FOLDER)
