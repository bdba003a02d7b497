"""Published rows through the protocol; PROMPT_TRANSFER_DATA is a folder of <task>/<split> files."""

import os
import re
from pathlib import Path

import pytest

import tasks
from tasks.data import EmptySplit, load
from tasks.local import MissingData
from tasks.metrics import majority

FOLDER = Path(os.environ.get("PROMPT_TRANSFER_DATA", ""))
pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(
        "PROMPT_TRANSFER_DATA" not in os.environ, reason="PROMPT_TRANSFER_DATA is not set"
    ),
]

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
