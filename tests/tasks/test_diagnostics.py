"""Sets without training rows: what they load, and what is refused of them."""

import json

import pytest

import tasks
from tasks.local import MissingData
from tasks.rows import BadRow

PAIR = {"premise": "A b.", "hypothesis": "C d."}


def write(folder, name, rows):
    (folder / name).mkdir()
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / name / "test.jsonl").write_text(lines)
    return folder


def test_a_diagnostic_set_has_test_rows_only(tmp_path):
    rows = [PAIR | {"idx": n, "label": n % 2} for n in range(6)]
    data = tasks.load(tasks.get("ax_g"), write(tmp_path, "ax_g", rows))
    assert (data.train, data.validation, len(data.test)) == ([], [], 6)
    assert data.warnings == ()


def test_the_hidden_labels_of_ax_are_told_with_what_to_do(tmp_path):
    folder = write(tmp_path, "ax", [PAIR | {"label": -1}])
    with pytest.raises(BadRow, match=r"the hub hides AX's labels, so score a labelled DIR/ax/"):
        tasks.load(tasks.get("ax"), folder)


def test_ax_with_labels_is_scored_by_the_correlation_of_three_classes(tmp_path):
    folder = write(tmp_path, "ax", [PAIR | {"label": n % 3} for n in range(6)])
    ax = tasks.get("ax")
    test = tasks.load(ax, folder).test
    assert ax.metrics["mcc"]([one.answers[0] for one in test], test) == pytest.approx(100)


def test_a_diagnostic_set_that_is_not_there_asks_for_its_test_rows(tmp_path):
    with pytest.raises(MissingData, match=r"no test rows of 'ax_b': looked for .*ax_b/test"):
        tasks.load(tasks.get("ax_b"), tmp_path)


def test_its_rows_read_as_those_of_the_task_whose_prompt_answers_them():
    for name in ("ax", "ax_g"):
        task = tasks.get(name)
        trained = tasks.get(task.trained_on[0])
        row = PAIR | {"idx": 0, "label": 1}
        assert task.read(row)[:2] == trained.read(row)[:2]
    row = {"sentence1": "A", "sentence2": "B", "label": 0}
    assert tasks.get("ax_b").read(row)[:2] == tasks.get("rte").read(row)[:2]
