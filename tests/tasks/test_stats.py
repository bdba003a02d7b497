"""Counts of tasks: rows, labels and what guessing scores."""

import json

import pytest

import tasks
from tasks.stats import measure

RTE = tasks.get("rte")


def write(folder, name, **splits):
    (folder / name).mkdir()
    for split, labels in splits.items():
        rows = [{"sentence1": f"s{n}", "sentence2": "t", "label": x} for n, x in enumerate(labels)]
        (folder / name / f"{split}.jsonl").write_text("".join(json.dumps(x) + "\n" for x in rows))
    return folder


def test_rows_labels_and_the_majority_are_counted(tmp_path):
    found = measure(RTE, write(tmp_path, "rte", train=[1, 1, 1, 0], validation=[0, 0, 0, 0]))
    assert found.rows == {"train": 4, "validation": 2, "test": 2}
    assert found.shares == {"entailment": 62.5, "not_entailment": 37.5}
    assert (found.metric, found.majority, found.absent) == ("accuracy", 0.0, "")


def test_a_carved_split_is_told(tmp_path):
    found = measure(RTE, write(tmp_path, "rte", train=[0, 1] * 800))
    assert found.rows == {"train": 600, "validation": 500, "test": 500}
    assert "'rte' has no split 'validation' here" in found.warnings[0]


def test_a_task_without_rows_is_told_and_is_no_error(tmp_path):
    assert measure(RTE, tmp_path).absent == "no train rows in the folder"
    assert measure(tasks.get("ax"), tmp_path).absent == "no test rows in the folder"
    assert measure(RTE, None).absent == "no --data DIR with its rows"
    broken = measure(RTE, write(tmp_path, "rte", train=[0, 7], validation=[0]))
    assert "row 2: column 'label' is 7" in broken.absent


def test_a_diagnostic_set_has_no_majority(tmp_path):
    found = measure(tasks.get("ax_b"), write(tmp_path, "ax_b", test=[0, 1, 1, 1]))
    assert found.rows == {"train": 0, "validation": 0, "test": 4}
    assert (found.shares["entailment"], found.majority) == (25.0, None)


def test_a_generated_task_needs_no_folder():
    found = measure(tasks.get("set_classification"), None)
    assert found.rows == {"train": 2_000, "validation": 400, "test": 500}
    assert found.majority == pytest.approx(22.4)


@pytest.mark.parametrize("files", [{"train.jsonl.gz": b"no gzip"}, {"train.jsonl": b"\xff"},
                                   {"train.csv": b"a\n", "train.jsonl": b"{}"}])  # fmt: skip
def test_a_damaged_file_is_told_beside_the_counts_of_the_other_tasks(files, tmp_path):
    (tmp_path / "rte").mkdir()
    for name, data in files.items():
        (tmp_path / "rte" / name).write_bytes(data)
    assert str(tmp_path) in measure(RTE, tmp_path).absent
