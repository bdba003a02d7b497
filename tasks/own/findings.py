"""What the rows of a user's task say when they are looked at together."""

from collections.abc import Iterator, Mapping
from itertools import combinations

import numpy as np

from tasks.own.seen import TOLD, Finding, Ruler, Seen
from tasks.splits import assign
from tasks.task import Task

UNEVEN = 10  # times as many rows of one label as of another
SMALL = 1_000  # different texts, below which a split might come out empty


def together(task: Task, seen: Mapping[str, Seen], ruler: Ruler | None) -> Iterator[Finding]:
    """Yield what is wrong with all rows, beyond what is wrong with each."""
    for part in seen.values():
        if part.num_bad > len(part.bad):
            more = part.num_bad - TOLD
            yield Finding("error", f"{part.file}: {more:,} more rows are bad in such ways")
    yield from _room(task, ruler) if ruler else ()
    yield from _sizes(task, seen)
    for part in seen.values():
        yield from _empty(part)
        yield from _repeated(part)
        yield from _lengths(task, part, ruler) if ruler else ()
    yield from _balance(task, seen["train"])
    yield from _leaks(seen)


def _sizes(task: Task, seen: Mapping[str, Seen]) -> Iterator[Finding]:
    if any(part.num_bad for part in seen.values()):
        return  # once they are mended, there are more
    different = len(np.unique(np.frombuffer(seen["train"].texts, np.int64)))
    if different < SMALL:
        groups = {split: [str(one) for one in part.texts] for split, part in seen.items()}
        for name, part in zip(task.splits.names, assign(task.splits, groups), strict=True):
            if not part.rows:
                yield Finding(
                    "error",
                    f"no rows are left for {name}: {seen['train'].file} has {different} different "
                    "texts, give it more",
                )


def _empty(part: Seen) -> Iterator[Finding]:
    for at, (count, first) in sorted(part.empty.items()):
        yield Finding(
            "warning",
            f"{part.file}: {count:,} rows have no text in place {at + 1} of the template, the "
            f"first is row {first}",
        )


def _repeated(part: Seen) -> Iterator[Finding]:
    texts, answers = (np.frombuffer(one, np.int64) for one in (part.texts, part.answers))
    order = np.argsort(texts, kind="stable")
    again = np.flatnonzero(texts[order][1:] == texts[order][:-1]) + 1
    differ = again[answers[order[again]] != answers[order[again - 1]]]
    for places, said in (
        (again, "repeat the text of an earlier row"),
        (differ, "repeat the text of an earlier row, and have another answer"),
    ):
        if len(places):
            at = places[np.argmin(order[places])]
            row, earlier = (part.numbers[int(order[one])] for one in (at, at - 1))
            yield Finding(
                "warning",
                f"{part.file}: {len(places):,} rows {said}, as row {row} does of {earlier}",
            )


def _lengths(task: Task, part: Seen, ruler: Ruler) -> Iterator[Finding]:
    over, longest, row = part.cut
    if over:
        yield Finding(
            "warning",
            f"{part.file}: {over:,} of {len(part.numbers):,} inputs are longer than max_input, "
            f"{task.max_input} tokens of {ruler.backbone}, and will be cut; the longest is row "
            f"{row} with {longest:,}",
        )
    over, longest, row = part.cut_answers
    if over:
        yield Finding(
            "warning",
            f"{part.file}: {over:,} answers are longer than max_answer, {task.max_answer} tokens "
            f"of {ruler.backbone}, and will be cut; the longest is row {row} with {longest:,}",
        )


def _room(task: Task, ruler: Ruler) -> Iterator[Finding]:
    if ruler.limit is not None and task.max_input >= ruler.limit:
        yield Finding(
            "error",
            f"max_input is {task.max_input}, and {ruler.backbone} reads {ruler.limit} tokens with "
            "the prompt: give less",
        )


def _balance(task: Task, train: Seen) -> Iterator[Finding]:
    if not task.labels:
        yield from _constant(train)
    if not train.labels:
        return
    for label in task.labels:
        if not train.labels[label]:
            yield Finding("warning", f"{train.file}: no row has the label {label!r}")
    (most, rows), (least, few) = train.labels.most_common()[0], train.labels.most_common()[-1]
    if rows > UNEVEN * few:
        share = 100 * rows / train.labels.total()
        yield Finding(
            "warning",
            f"{train.file}: {rows:,} rows are {most!r}, and {few:,} {least!r}: who always says "
            f"{most!r} has an accuracy of {share:.0f} %; macro_f1 would tell; the first "
            f"{least!r} is row {train.first[least]}",
        )


def _constant(train: Seen) -> Iterator[Finding]:
    if len(train.answers) > 1 and len(np.unique(np.frombuffer(train.answers, np.int64))) == 1:
        yield Finding(
            "warning",
            f"{train.file}: all rows have the answer of row {train.numbers[0]}: there is nothing "
            "to learn",
        )


def _leaks(seen: Mapping[str, Seen]) -> Iterator[Finding]:
    for (_, one), (_, other) in combinations(seen.items(), 2):
        first, second = (np.frombuffer(part.texts, np.int64) for part in (one, other))
        shared = np.flatnonzero(np.isin(second, first))
        if len(shared):
            at = int(shared[0])
            known = int(np.flatnonzero(first == second[at])[0])
            yield Finding(
                "warning",
                f"{other.file}: {len(shared):,} rows have a text that {one.file} has too, as row "
                f"{other.numbers[at]} that of its row {one.numbers[known]}: scores on them say "
                "little",
            )
