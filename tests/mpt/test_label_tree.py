"""All labels of a task as one sequence of a decoder."""

import torch

from mpt.encoding import Batch
from mpt.label_tree import LabelTree

CPU = torch.device("cpu")


def test_each_label_stands_behind_the_start_and_sees_no_other():
    tree = LabelTree.of([[5, 8, 1], [7, 1], [6]], 3, CPU)
    assert tree.ids.tolist() == [3, 5, 8, 7]
    assert tree.depths.tolist() == [0, 1, 2, 1]
    assert tree.seen.int().tolist() == [[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 0, 0, 1]]
    assert [places.tolist() for places in tree.places] == [[0, 1, 2], [0, 3], [0]]


def test_a_label_is_scored_the_same_in_any_company(exact):
    ids = torch.arange(12).view(2, 6) + 4
    mask = torch.ones_like(ids)
    mask[1, 4:] = 0
    reading = exact.read([], Batch(ids[:, 0], ids, mask, ids))
    labels = [[5, 8, 1], [7, 1], [6], [5, 9, 4, 1]]
    alone = torch.cat([exact.score(reading, [label]) for label in labels], dim=1)
    torch.testing.assert_close(exact.score(reading, labels), alone)
