import pytest

import tasks
from tasks.similarity import similarities


@pytest.fixture(scope="module")
def rows():
    names = ("mini_review", "mini_dining", "mini_deed", "mini_order", "mini_trade")
    return {name: tasks.load(tasks.get(name)).train for name in names}


def test_rows_are_most_like_themselves(rows):
    found = similarities(rows["mini_deed"], rows)
    assert max(found, key=found.get) == "mini_deed"
    assert found["mini_deed"] == pytest.approx(1.0)
    assert all(0 <= value <= 1 for value in found.values())


def test_a_task_of_the_same_family_is_nearer_than_one_of_another(rows):
    dining = rows.pop("mini_dining")
    found = similarities(dining, rows)
    assert max(found, key=found.get) == "mini_review"  # both are opinions


def test_nothing_is_like_no_task_and_no_words_are_like_nothing(rows):
    assert similarities(rows["mini_deed"], {}) == {}
    blank = [tasks.Example("!", ("?",))]
    assert similarities(blank, {"a": rows["mini_deed"]}) == {"a": 0.0}
