"""Which rows each step trains on. Pure functions of their arguments: step n is `islice`'s n."""

import random
from collections.abc import Iterator, Sequence
from itertools import accumulate

CAP = 2**18  # the most examples that a task counts for: Raffel et al. 2020, section 3.5.2


class EmptyTask(ValueError):
    """Rows are drawn from a task that has none."""

    def __init__(self, place: int) -> None:
        super().__init__(f"task {place} has no rows to train on: give it some, or leave it out")


def proportions(sizes: Sequence[int], cap: int = CAP) -> list[float]:
    """Return each task's share of the mixture: min(n, cap) over the sum of those.

    Raises:
        EmptyTask: one of `sizes` is 0.
    """
    for place, size in enumerate(sizes):
        if size < 1:
            raise EmptyTask(place)
    capped = [min(size, cap) for size in sizes]
    return [size / sum(capped) for size in capped]


def mixed_batches(
    sizes: Sequence[int], batch_size: int, seed: int, cap: int = CAP
) -> Iterator[list[tuple[int, int]]]:
    """Yield batches of (task, row) without end, with a random number of tasks in each.

    k ~ Uniform{2..K} tasks are drawn with replacement by their proportions, B // k rows of each;
    the B % k left over come from one of those drawn. A batch of B <= k draws B tasks, one row of
    each. So does the code after Wang et al. 2023 ("stochastic" sampling), but there a task's rows
    come again in the same order once all were had; here they are shuffled anew. One task alone
    gives whole batches.

    Raises:
        EmptyTask: one of `sizes` is 0.
    """
    shares = list(accumulate(proportions(sizes, cap)))
    choice = random.Random(f"{seed} tasks")
    rows = [_rows(size, random.Random(f"{seed} rows {k}")) for k, size in enumerate(sizes)]
    while True:
        counts = _counts(shares, batch_size, choice)
        batch = [(k, next(rows[k])) for k, count in counts for _ in range(count)]
        choice.shuffle(batch)
        yield batch


def plain_batches(size: int, batch_size: int, seed: int) -> Iterator[list[int]]:
    """Yield batches of one task's rows without end, each row once before any comes again.

    Raises:
        EmptyTask: `size` is 0.
    """
    proportions([size])
    rows = _rows(size, random.Random(f"{seed} rows 0"))
    while True:
        yield [next(rows) for _ in range(batch_size)]


def _counts(
    shares: Sequence[float], batch_size: int, choice: random.Random
) -> list[tuple[int, int]]:
    # How many rows of which drawn task; a task may be drawn twice.
    tasks = range(len(shares))
    k = choice.randint(min(2, len(tasks)), len(tasks))
    drawn = choice.choices(tasks, cum_weights=shares, k=min(k, batch_size))
    each, left_over = divmod(batch_size, len(drawn))
    return [*((task, each) for task in drawn), (choice.choice(drawn), left_over)]


def _rows(size: int, order: random.Random) -> Iterator[int]:
    while True:
        rows = list(range(size))
        order.shuffle(rows)
        yield from rows
