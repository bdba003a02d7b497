import pytest
import torch
from torch.testing import assert_close

from mpt.factors import average_factors

P, H, K = 5, 8, 4


def factors(rank, generator):
    u = [torch.randn(P, rank, generator=generator) for _ in range(K)]
    v = [torch.randn(rank, H, generator=generator) for _ in range(K)]
    return u, v


@pytest.mark.parametrize("rank", [1, 3])
def test_flipping_the_signs_of_one_source_changes_nothing(rank, generator):
    u, v = factors(rank, generator)
    before = average_factors(u, v)
    for k in range(K):
        flip_u, flip_v = list(u), list(v)
        flip_u[k], flip_v[k] = -u[k], -v[k]
        assert_close(average_factors(flip_u, flip_v), before, rtol=0, atol=0)


@pytest.mark.parametrize("rank", [1, 2])
def test_the_average_of_equal_tasks_is_that_task_and_nothing_is_lost(rank, generator):
    u, v = (one[:1] * K for one in factors(rank, generator))
    average = average_factors(u, v)
    assert_close(average.u @ average.v, u[0] @ v[0])
    assert average.residual < 1e-7


def test_the_average_of_tasks_that_start_at_the_identity_is_the_identity():
    average = average_factors([torch.ones(P, 1)] * K, [torch.ones(1, H)] * K)
    assert_close(average.u, torch.ones(P, 1))
    assert_close(average.v, torch.ones(1, H))


def test_no_rank_one_matrix_found_by_descent_is_nearer_to_the_mean(generator):
    u, v = factors(1, generator)
    mean = sum(a @ b for a, b in zip(u, v, strict=True)) / K
    best = average_factors(u, v)
    assert best.residual == pytest.approx(((mean - best.u @ best.v).norm() / mean.norm()).item())
    x = torch.randn(P, 1, generator=generator, requires_grad=True)
    y = torch.randn(1, H, generator=generator, requires_grad=True)
    descent = torch.optim.LBFGS([x, y], max_iter=500, line_search_fn="strong_wolfe")

    def distance():
        descent.zero_grad()
        loss = (mean - x @ y).square().sum()
        loss.backward()
        return loss

    descent.step(distance)
    found = distance().sqrt() / mean.norm()
    assert best.residual <= found + 1e-5
    assert best.residual == pytest.approx(found.item(), abs=1e-3)


def test_averaging_the_factors_themselves_would_lose_a_task_and_its_mirror_image(generator):
    u, v = torch.randn(P, 1, generator=generator), torch.randn(1, H, generator=generator)
    average = average_factors([u, -u], [v, -v])  # the mean of the factors is zero
    assert_close(average.u @ average.v, u @ v)
