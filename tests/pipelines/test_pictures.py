import io
import math

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import image

from pipelines.pictures import learning_curve, similarity, similarity_map


def pixels(png):
    return image.imread(io.BytesIO(png), format="png")


@pytest.mark.parametrize("rank", [1, 3])
def test_similarity_is_the_cosine_of_the_whole_matrices(rank):
    draw = np.random.default_rng(0)
    u = [draw.normal(size=(7, rank)) for _ in range(4)]
    v = [draw.normal(size=(rank, 5)) for _ in range(4)]

    found = similarity(u, v)
    for i in range(4):
        for j in range(4):
            a, b = (u[i] @ v[i]).ravel(), (u[j] @ v[j]).ravel()
            expected = math.fsum(a * b) / math.sqrt(math.fsum(a * a) * math.fsum(b * b))
            assert found[i, j] == pytest.approx(expected, abs=1e-12)


def test_opposite_vectors_are_opposite_and_zero_is_like_nothing():
    one = np.ones((3, 1))
    found = similarity([one, -one, -one, 0 * one], [one.T, one.T, -one.T, one.T])

    assert np.allclose(found, [[1, -1, 1, 0], [-1, 1, -1, 0], [1, -1, 1, 0], [0, 0, 0, 0]])


def test_a_learning_curve_shows_the_losses_and_the_scores():
    losses = [(step, 3.0 / step) for step in range(1, 101)]
    scores = [(50, 60.0), (100, 75.0)]
    both = learning_curve("adapt rte", losses, scores, "accuracy")

    assert pixels(both).shape[:2] == (400, 700)
    assert both != learning_curve("adapt rte", losses[:50], scores, "accuracy")
    assert both != learning_curve("adapt rte", losses, scores[:1], "accuracy")


@pytest.mark.parametrize(("losses", "scores"), [([], [(1, 50.0)]), ([(1, 2.0)], []),
                                                ([(1, 2.0), (2, math.inf)], [])])  # fmt: skip
def test_half_a_curve_is_drawn_too(losses, scores):
    assert pixels(learning_curve("adapt rte", losses, scores, "accuracy")).any()


def test_a_map_grows_with_its_tasks():
    few = similarity_map("learn", np.eye(2), ["rte", "cb"])
    many = similarity_map("learn", np.eye(6), [f"task{k}" for k in range(6)])

    assert pixels(many).shape[0] > pixels(few).shape[0]


def test_equal_values_give_equal_pictures_and_no_global_figure():
    assert learning_curve("a", [(1, 2.0)], [], "f1") == learning_curve("a", [(1, 2.0)], [], "f1")
    assert not mpl._pylab_helpers.Gcf.figs
