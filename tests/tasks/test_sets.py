"""Set Classification: its sets, its labels, and the same bytes for the same seed."""

from collections import Counter
from dataclasses import replace

import pytest

import tasks
from tasks.sets import LABELS, MEMBERS, SHOWN, sets

TASK = tasks.get("set_classification")
SPLITS = ("train", "validation", "test")


def test_a_seed_fixes_every_byte():
    data = tasks.load(TASK)
    assert tuple(tasks.digest(TASK, part)[:16] for part in data[:3]) == (
        "ebbd6b11c50942fe",
        "969e1d15ce8d89d5",
        "d8a3cdab912d6ea0",
    )
    assert data.origin == "generated, seed 42"


def test_a_row_is_labelled_with_the_set_that_four_of_its_five_words_are_in():
    known = sets(42)
    for split in SPLITS:
        for row in TASK.source.rows(split):
            words = row["words"].split()
            members = [sum(word in one for word in words) for one in known]
            assert sorted(members) == [0, 0, 1, SHOWN]
            assert members[row["label"]] == SHOWN
            assert len(set(words)) == len(words)


def test_sets_share_no_word_and_another_seed_has_other_sets():
    for seed in (0, 1):
        assert len({word for one in sets(seed) for word in one}) == MEMBERS * len(LABELS)
    assert sets(0) != sets(1)


@pytest.mark.parametrize("sizes", [(3, 2, 1), (20_000, 10, 3_000)])
def test_any_size_can_be_made_and_no_row_occurs_twice(sizes):
    source = replace(TASK.source, seed=5, sizes=dict(zip(SPLITS, sizes, strict=True)))
    rows = [source.rows(split) for split in SPLITS]
    assert tuple(map(len, rows)) == sizes
    assert len({row["words"] for part in rows for row in part}) == sum(sizes)


def test_the_labels_are_balanced():
    counts = Counter(row["label"] for row in TASK.source.rows("train"))
    assert all(400 < counts[label] < 600 for label in range(4))
