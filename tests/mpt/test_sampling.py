import math
from collections import Counter
from itertools import islice

import pytest

from mpt.sampling import EmptyTask, mixed_batches, plain_batches, proportions

SIZES = [400, 50, 90, 10]


def test_proportions_are_capped_sizes_over_their_sum():
    assert proportions([100, 300, 50], cap=150) == [100 / 300, 150 / 300, 50 / 300]
    six = proportions([392_702, 362_846, 103_743, 66_349, 86_599, 137_000])
    assert six == pytest.approx([0.285, 0.285, 0.113, 0.072, 0.094, 0.150], abs=0.001)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 4, 5, 32, 33])
def test_a_batch_has_exactly_its_size_and_rows_that_exist(batch_size):
    for batch in islice(mixed_batches(SIZES, batch_size, seed=0), 200):
        assert len(batch) == batch_size
        assert all(0 <= row < SIZES[task] for task, row in batch)


def test_tasks_are_drawn_in_proportion_to_their_capped_sizes():
    # With B <= 2 = the smallest k, each batch is 2 independent draws of a task.
    draws = 20_000
    batches = islice(mixed_batches(SIZES, 2, seed=1, cap=100), draws // 2)
    seen = Counter(task for batch in batches for task, _ in batch)
    for task, share in enumerate(proportions(SIZES, cap=100)):
        sigma = math.sqrt(draws * share * (1 - share))
        assert abs(seen[task] - draws * share) < 3 * sigma


def test_the_number_of_draws_in_a_batch_is_uniform_from_two_to_all():
    steps, seen = 6000, Counter()
    for batch in islice(mixed_batches([5] * 4, 12, seed=2), steps):
        seen[tuple(sorted(Counter(task for task, _ in batch).values()))] += 1
    # 12 rows fall into draws of 6, 4 or 3. Only k = 3 gives 4+4+4 and 4+8 (all but 1/16 of its
    # batches); 6+6 are two draws (3/4 of k = 2) or four that meet in pairs (36/256 of k = 4).
    for got, share in (
        (seen[(4, 4, 4)] + seen[(4, 8)], (1 - 1 / 16) / 3),
        (seen[(6, 6)], (3 / 4 + 36 / 256) / 3),
    ):
        assert abs(got - steps * share) < 3 * math.sqrt(steps * share * (1 - share))


def test_rows_left_over_come_from_one_task_that_was_drawn():
    for batch in islice(mixed_batches([50] * 5, 11, seed=3), 300):
        counts = Counter(task for task, _ in batch)
        # 11 = 2*5+1 = 3*3+2 = 4*2+3 = 5*2+1: for some k, all but one task hold multiples of 11//k
        assert any(
            sum(count % (11 // k) != 0 for count in counts.values()) <= 1 for k in range(2, 6)
        )


def test_no_row_comes_again_before_all_have_come_and_then_the_order_is_new():
    rows = [[], []]
    for batch in islice(mixed_batches([30, 20], 7, seed=4), 200):
        for task, row in batch:
            rows[task].append(row)
    for task, size in enumerate([30, 20]):
        counts = Counter(rows[task])
        assert max(counts.values()) - min(counts[row] for row in range(size)) <= 1
    alone = [row for batch in islice(mixed_batches([40], 40, 5), 2) for _, row in batch]
    assert sorted(alone[:40]) == sorted(alone[40:]) == list(range(40))
    assert alone[:40] != alone[40:]


def test_one_task_alone_fills_every_batch():
    for batch in islice(mixed_batches([9], 4, seed=0), 20):
        assert [task for task, _ in batch] == [0] * 4


def test_a_seed_fixes_every_batch_and_another_gives_others():
    def first(seed):
        return list(islice(mixed_batches(SIZES, 8, seed), 50))

    assert first(1) == first(1)
    assert first(1) != first(2)


def test_batches_stay_the_same_from_version_to_version():
    first = next(mixed_batches([5, 7], 4, seed=0))
    assert first == [(1, 3), (1, 6), (0, 0), (0, 1)]
    assert list(islice(plain_batches(5, 3, seed=0), 2)) == [[0, 1, 4], [2, 3, 4]]


@pytest.mark.parametrize(("size", "batch_size"), [(10, 3), (4, 16), (1, 2)])
def test_plain_batches_use_every_row_equally_often_and_are_always_full(size, batch_size):
    batches = list(islice(plain_batches(size, batch_size, seed=0), 40))
    assert {len(batch) for batch in batches} == {batch_size}
    rows = [row for batch in batches for row in batch]
    for start in range(0, len(rows) - size, size):
        assert sorted(rows[start : start + size]) == list(range(size))


def test_a_task_without_rows_is_refused():
    with pytest.raises(EmptyTask, match="task 1 has no rows"):
        next(mixed_batches([3, 0], 2, seed=0))
    with pytest.raises(EmptyTask):
        next(plain_batches(0, 2, seed=0))
