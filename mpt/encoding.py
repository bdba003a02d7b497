"""Token ids kept flat in memory, and padded only as they are batched. Shapes: mpt.prompt."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

IGNORED = -100  # torch's and HF's mark for a label that does not count


class Batch(NamedTuple):
    """One padded batch. Padding in `labels` is -100."""

    task_ids: Tensor  # [B]
    input_ids: Tensor  # [B, T]
    mask: Tensor  # [B, T], 1 at tokens and 0 at padding
    labels: Tensor  # [B, S]


@dataclass(frozen=True)
class Encoded:
    """The tokenised examples of one task: all rows of ids in one tensor, and where each begins."""

    inputs: Tensor  # int32, the input ids of all examples, one after another
    input_starts: Tensor  # int64 [N + 1]
    answers: Tensor  # int32
    answer_starts: Tensor  # int64 [N + 1]
    pad: int
    truncated: int
    """How many inputs were longer than allowed, and were cut."""
    truncated_answers: int

    def __len__(self) -> int:
        return len(self.input_starts) - 1

    def input(self, row: int) -> Tensor:
        """Return the input ids of example `row`, int32 [T]."""
        return self.inputs[self.input_starts[row] : self.input_starts[row + 1]]

    def answer(self, row: int) -> Tensor:
        """Return the answer ids of example `row`, int32 [S]."""
        return self.answers[self.answer_starts[row] : self.answer_starts[row + 1]]

    def lengths(self) -> list[int]:
        """Return the number of input tokens of each example."""
        lengths: list[int] = self.input_starts.diff().tolist()
        return lengths

    def batch(
        self, rows: Sequence[int], task_ids: Sequence[int], device: str | torch.device
    ) -> Batch:
        """Return `rows` as one batch, padded to the longest; row i belongs to `task_ids[i]`."""
        ids, mask = _gather(self.inputs, self.input_starts, rows, self.pad)
        labels, _ = _gather(self.answers, self.answer_starts, rows, IGNORED)
        return Batch(*(one.to(device) for one in (torch.tensor(task_ids), ids, mask, labels)))


def mixed_batch(
    parts: Sequence[Encoded], draws: Sequence[tuple[int, int]], device: str | torch.device
) -> Batch:
    """Return one batch of several tasks; each of `draws` is a task, by its place, and a row."""
    places: dict[int, list[int]] = {}
    for at, (k, _) in enumerate(draws):
        places.setdefault(k, []).append(at)
    batches = {
        k: parts[k].batch([draws[at][1] for at in some], [k] * len(some), "cpu")
        for k, some in places.items()
    }
    tasks = torch.tensor([k for k, _ in draws])
    columns = [
        _place(places, {k: batch[column] for k, batch in batches.items()}, len(draws), pad)
        for column, pad in ((1, parts[0].pad), (2, 0), (3, IGNORED))
    ]
    return Batch(*(one.to(device) for one in (tasks, *columns)))


def _place(
    places: Mapping[int, Sequence[int]], parts: Mapping[int, Tensor], rows: int, pad: int
) -> Tensor:
    """Return the rows of `parts`, [n, T] each, at their `places` in one tensor, padded alike."""
    whole = torch.full((rows, max(part.shape[1] for part in parts.values())), pad)
    for k, at in places.items():
        whole[at, : parts[k].shape[1]] = parts[k]
    return whole


def flatten(
    inputs: Sequence[list[int]],
    answers: Sequence[list[int]],
    max_input: int,
    max_answer: int,
    pad: int,
    *,
    kept: int = 1,
) -> Encoded:
    """Return rows of token ids as `Encoded`.

    A row that is too long keeps its end: an answer its last token, such as EOS, and an input its
    last `kept` tokens, such as what asks for an answer.
    """
    short_inputs, truncated = _cut(inputs, max_input, kept)
    short_answers, truncated_answers = _cut(answers, max_answer, 1)
    return Encoded(*_join(short_inputs), *_join(short_answers), pad, truncated, truncated_answers)


def _cut(rows: Sequence[list[int]], limit: int, kept: int) -> tuple[list[list[int]], int]:
    cut = [
        row if len(row) <= limit else [*row[: max(limit - kept, 0)], *row[-kept:]] for row in rows
    ]
    return cut, sum(len(row) > limit for row in rows)


def _join(rows: Sequence[list[int]]) -> tuple[Tensor, Tensor]:
    ids = torch.tensor([token for row in rows for token in row], dtype=torch.int32)
    return ids, torch.tensor([0, *accumulate(len(row) for row in rows)])


def _gather(flat: Tensor, starts: Tensor, rows: Sequence[int], pad: int) -> tuple[Tensor, Tensor]:
    """Return `rows` of a flat tensor, int64 [B, longest], and where they are tokens, [B, longest].

    The mask comes from the lengths: a text may hold the padding token itself. In NumPy, whose
    calls on so few numbers take half as long as torch's.
    """
    chosen, bounds = np.asarray(rows, dtype=np.int64), starts.numpy()
    begin, end = bounds[chosen][:, None], bounds[chosen + 1][:, None]
    at = begin + np.arange((end - begin).max())
    there = at < end
    ids = np.where(there, flat.numpy()[np.minimum(at, len(flat) - 1)], pad)
    return torch.from_numpy(ids.astype(np.int64)), torch.from_numpy(there.astype(np.int64))
