"""The protocol on row numbers alone: official counts in, the published sizes out."""

from itertools import pairwise
from random import Random

import pytest

import tasks
from tasks.splits import CARVE, CARVED, HALVE, OWN, SEED, Splits, assign, divide, shuffled, units

# Official rows by split, and train/validation/test of the MPT tables. Where those count other
# training rows than the hub (QQP 363,846), ours follow the hub; QQP's test has 40,430 there.
OFFICIAL = {
    "cola": ({"train": 8_551, "validation": 1_043}, (8_551, 521, 522)),
    "sst2": ({"train": 67_349, "validation": 872}, (66_349, 1_000, 872)),
    "mrpc": ({"train": 3_668, "validation": 408}, (3_668, 204, 204)),
    "stsb": ({"train": 5_749, "validation": 1_500}, (5_749, 750, 750)),
    "qqp": ({"train": 363_846, "validation": 40_430}, (362_846, 1_000, 40_430)),
    "mnli": (
        {"train": 392_702, "validation_matched": 9_815, "validation_mismatched": 9_832},
        (392_702, 9_832, 9_815),
    ),
    "qnli": ({"train": 104_743, "validation": 5_463}, (103_743, 1_000, 5_463)),
    "rte": ({"train": 2_490, "validation": 277}, (2_490, 138, 139)),
    "wnli": ({"train": 635, "validation": 71}, (635, 35, 36)),
    "boolq": ({"train": 9_427, "validation": 3_270}, (9_427, 1_635, 1_635)),
    "cb": ({"train": 250, "validation": 56}, (250, 28, 28)),
    "copa": ({"train": 400, "validation": 100}, (400, 50, 50)),
    "multirc": ({"train": 27_243, "validation": 4_848}, (27_243, 2_424, 2_424)),
    "record": ({"train": 100_730, "validation": 10_000}, (99_730, 1_000, 10_000)),
    "superglue_rte": ({"train": 2_490, "validation": 277}, (2_490, 138, 139)),
    "wic": ({"train": 5_428, "validation": 638}, (5_428, 319, 319)),
    "wsc": ({"train": 554, "validation": 104}, (554, 52, 52)),
    "squad": ({"train": 87_599, "validation": 10_570}, (86_599, 1_000, 10_570)),
    "naturalquestions": ({"train": 104_071, "validation": 12_836}, (103_071, 1_000, 12_836)),
    "hotpotqa": ({"train": 72_928, "validation": 5_901}, (71_928, 1_000, 5_901)),
    "searchqa": ({"train": 117_384, "validation": 16_980}, (116_384, 1_000, 16_980)),
    "newsqa": ({"train": 74_160, "validation": 4_212}, (73_160, 1_000, 4_212)),
    "winogrande": ({"train": 40_398, "validation": 1_267}, (39_398, 1_000, 1_267)),
    "yelp": ({"train": 560_000, "test": 38_000}, (100_000, 1_000, 38_000)),
    "scitail": ({"train": 23_596, "validation": 1_304}, (23_596, 652, 652)),
    "paws": ({"train": 49_401, "validation": 8_000, "test": 8_000}, (49_401, 8_000, 8_000)),
    "ag_news": ({"train": 120_000, "test": 7_600}, (119_000, 1_000, 7_600)),
    "dbpedia": ({"train": 560_000, "test": 70_000}, (559_000, 1_000, 70_000)),
    "trec": ({"train": 5_452, "test": 500}, (4_452, 1_000, 500)),
}


def alone(counts):
    return {split: [""] * count for split, count in counts.items()}


def sizes(parts):
    return tuple(len(part.rows) for part in parts)


@pytest.mark.parametrize("name", OFFICIAL)
def test_sizes_are_those_of_the_published_protocol(name):
    counts, expected = OFFICIAL[name]
    assert sizes(assign(tasks.get(name).splits, alone(counts))) == expected


@pytest.mark.parametrize("splits", [HALVE, CARVE, OWN, Splits("train", "a", "b")])
@pytest.mark.parametrize("test", [{}, {"test": 30}, {"validation": 41}, {"a": 5, "b": 1}])
def test_no_row_is_in_two_places_and_none_of_train_is_lost(splits, test):
    counts = {"train": 2_600} | test
    parts = assign(splits, alone(counts))
    placed = [(part.split, row) for part in parts for row in part.rows]
    assert len(placed) == len(set(placed))
    used = [name for name in splits.names if name in counts]
    assert sorted(placed) == sorted((name, row) for name in used for row in range(counts[name]))


def test_the_order_is_that_of_sorted_random_values():
    draw = Random(42)
    values = [draw.random() for _ in range(8)]
    slowly = [row for value in sorted(values) for row in range(8) if values[row] == value]
    assert SEED == 42
    assert [row for unit in shuffled(units([""] * 8)) for row in unit] == slowly


def test_the_order_is_pinned_for_every_python():
    pinned = [1, 7, 3, 2, 0, 5, 4, 6]
    parts = assign(HALVE, alone({"train": 3, "validation": 8}))
    assert parts.train == ("train", [0, 1, 2])
    assert parts.validation == ("validation", pinned[:4])
    assert parts.test == ("validation", pinned[4:])


def test_carved_rows_are_the_first_of_the_shuffled_ones():
    order = [row for unit in shuffled(units([""] * 1_500)) for row in unit]
    parts = assign(CARVE, alone({"train": 1_500, "validation": 9}))
    assert parts.validation == ("train", order[:CARVED])
    assert parts.train == ("train", order[CARVED:])
    assert parts.test == ("validation", list(range(9)))


def test_a_capped_training_split_is_the_first_of_the_shuffled_rows_behind_the_carved_ones():
    order = [row for unit in shuffled(units([""] * 2_000)) for row in unit]
    parts = assign(Splits(test="test", train_rows=300), alone({"train": 2_000, "test": 9}))
    assert parts.validation.rows == order[:CARVED]
    assert parts.train.rows == order[CARVED : CARVED + 300]
    own = Splits("train", "validation", "test", train_rows=5)
    assert (
        assign(own, alone({"train": 8, "validation": 1, "test": 1})).train.rows
        == ([row for unit in shuffled(units([""] * 8)) for row in unit][:5])
    )


def test_a_missing_split_takes_the_next_thousand_training_rows():
    order = [row for unit in shuffled(units([""] * 2_500)) for row in unit]
    parts = assign(CARVE, alone({"train": 2_500}))
    assert parts.validation.rows == order[:1_000]
    assert parts.test.rows == order[1_000:2_000]
    assert parts.train.rows == order[2_000:]


def test_a_missing_split_that_is_halved_gives_five_hundred_each():
    assert sizes(assign(HALVE, alone({"train": 1_200}))) == (200, 500, 500)


def test_too_few_training_rows_leave_an_empty_split_and_no_overlap():
    assert sizes(assign(CARVE, alone({"train": 64, "validation": 9}))) == (0, 64, 9)
    assert sizes(assign(HALVE, alone({"train": 9, "validation": 1}))) == (9, 0, 1)


def test_no_question_is_cut_apart():
    draw = Random(0)
    groups = [f"q{number}" for number in range(100) for _ in range(draw.randint(1, 9))]
    parts = assign(HALVE, {"train": ["x"], "validation": groups})
    first, second = ({groups[row] for row in part.rows} for part in parts[1:])
    assert not first & second
    assert abs(len(parts.validation.rows) - len(groups) / 2) <= 5  # half of the longest question
    for part in parts[1:]:
        order = [groups[row] for row in part.rows]
        assert sum(a != b for a, b in pairwise(order)) == len(set(order)) - 1


def test_a_cut_falls_on_the_nearest_boundary():
    whole = [[0, 1, 2], [3], [4, 5, 6, 7]]
    assert divide(whole, 4) == ([[0, 1, 2], [3]], [[4, 5, 6, 7]])
    assert divide(whole, 2) == ([[0, 1, 2]], [[3], [4, 5, 6, 7]])
    assert divide(whole, 6) == ([[0, 1, 2], [3]], [[4, 5, 6, 7]])  # 4 and 8 tie
    assert divide(whole, 99) == (whole, [])
    assert divide([], 5) == ([], [])


def test_rows_without_a_group_stand_alone():
    assert units(["", "a", "", "b", "a"]) == [[0], [1, 4], [2], [3]]
    assert units(["0", "", "0"]) == [[0, 2], [1]]


def test_the_ports_cut_questions_apart_and_only_they():
    groups = {"train": ["x"], "validation": [f"q{at // 4}" for at in range(10)]}
    cut = assign(tasks.get("multirc-attempt").splits, groups)
    assert cut == assign(HALVE, alone({"train": 1, "validation": 10}))
    halves = [{groups["validation"][row] for row in part.rows} for part in cut[1:]]
    assert halves[0] & halves[1]
    for task in tasks.all_tasks():
        assert not task.splits.cut_groups
        assert not tasks.get(f"{task.name}-numbers").splits.cut_groups if task.labels else True
