"""Several targets on one shared prompt: each step is what a loop over tasks and rows says."""

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from mpt.encoding import mixed_batch
from mpt.peft_format import pack, unpack
from mpt.prompt import MultitaskPrompt, Prefix
from mpt.train import Schedule, train

P, K, SOURCES = 5, 3, 4
ROWS = [
    (["a good film", "the worst film I ever saw"], ["positive", "no"]),
    (["maybe", "and a great one", "one"], ["a great one", "no", "positive maybe"]),
    (["ever", "saw a film, the great one and the good one"], ["negative", "good film"]),
]
STEPS = [
    [(0, 0), (1, 2), (0, 1)],
    [(1, 0), (1, 1)],
    [(2, 1), (0, 0), (1, 2), (2, 0)],
    [(0, 1)],
]  # the third task is absent from three of four batches
PLAN = Schedule(
    steps=len(STEPS), learning_rate=0.3, factor_learning_rate=0.4, validate_every=9, clip=0.5,
    weight_decay=0.1, warmup=0.5,
)  # fmt: skip


@pytest.fixture
def source(exact, generator):
    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    hidden = exact.hidden_size
    u, v = [draw(P, 1) for _ in range(SOURCES)], [draw(1, hidden) for _ in range(SOURCES)]
    return MultitaskPrompt(draw(P, hidden), u, v)


@pytest.fixture
def rows(exact):
    return [exact.encode(*one, max_input=50, max_answer=20) for one in ROWS]


def group_of(source, **options):
    given = {"init": "average", "freeze_shared": False, "generator": torch.Generator()} | options
    return source.for_targets(K, **given)


def train_together(backbone, group, rows, steps=STEPS):
    def loss_of(drawn):
        batch = mixed_batch(rows, drawn, "cpu")
        return backbone(group(batch.task_ids), batch).loss

    return train(group, steps, loss_of, PLAN).losses


def loss_by_loops(backbone, shared, u, v, rows, drawn):
    """Each row alone behind its own prompt; the mean over all label tokens of the batch."""
    total, tokens = 0.0, 0
    for k, row in drawn:
        prompt = torch.stack([
            torch.stack([shared[p, h] * u[k][p] * v[k][h] for h in range(shared.shape[1])])
            for p in range(P)
        ])  # fmt: skip
        batch = rows[k].batch([row], [0], "cpu")
        logits = backbone(Prefix(prompt.unsqueeze(0), torch.tensor([0])), batch).logits
        total = total + F.cross_entropy(logits[0], batch.labels[0], reduction="sum")
        tokens += batch.labels.shape[1]
    return total / tokens


def test_training_together_is_a_loop_over_tasks_and_rows(exact, source, rows):
    group = group_of(source)
    shared = group.shared.detach().clone().requires_grad_()
    u = [one.detach()[:, 0].clone().requires_grad_() for one in group.u]
    v = [one.detach()[0].clone().requires_grad_() for one in group.v]
    slow, fast = ({"params": [shared], "lr": 0.3}, {"params": [*u, *v], "lr": 0.4})
    optimizer = torch.optim.AdamW([slow, fast], weight_decay=0.1)
    expected = []
    for step, drawn in enumerate(STEPS):
        optimizer.zero_grad()
        loss = loss_by_loops(exact, shared, u, v, rows, drawn)
        loss.backward()
        expected.append(loss.item())
        norm = sum(
            one.grad.square().sum() for one in (shared, *u, *v) if one.grad is not None
        ).sqrt()
        for one in (shared, *u, *v):
            if one.grad is not None:
                one.grad *= (0.5 / norm).clamp_max(1)
        for part, rate in zip(optimizer.param_groups, (0.3, 0.4), strict=True):
            part["lr"] = rate * (1 / 3, 2 / 3, 1, 1 / 2)[step]
        optimizer.step()

    assert_close(train_together(exact, group, rows), expected, rtol=1e-6, atol=1e-8)
    assert_close(group.shared.detach(), shared.detach(), rtol=1e-4, atol=1e-6)
    for k in range(K):
        assert_close(group.u[k].detach()[:, 0], u[k].detach(), rtol=1e-4, atol=1e-6)
        assert_close(group.v[k].detach()[0], v[k].detach(), rtol=1e-4, atol=1e-6)


def test_a_task_that_no_batch_holds_does_not_move_at_all(exact, source, rows):
    group = group_of(source)
    before = [one.detach().clone() for one in (*group.u, *group.v)]
    train_together(exact, group, rows, [[(0, 0), (1, 0)], [(1, 1)], [(0, 0)], [(0, 1), (1, 2)]])
    moved = [not a.equal(b) for a, b in zip((*group.u, *group.v), before, strict=True)]
    assert moved == [True, True, False] * 2


def test_what_is_shared_rests_where_it_is_frozen_and_each_task_still_moves(exact, source, rows):
    group = group_of(source, freeze_shared=True)
    train_together(exact, group, rows)
    assert group.shared.equal(source.shared)
    assert len({group.task(k).sum().item() for k in range(K)}) == K


@pytest.mark.parametrize("init", ["average", "identity", 2])
def test_each_target_of_a_group_starts_where_a_lone_one_does(source, init):
    lone = source.for_targets(1, init, False, torch.Generator().manual_seed(3))
    group = group_of(source, init=init, generator=torch.Generator().manual_seed(3))
    assert group.num_tasks == K
    for k in range(K):
        assert group.task(k).equal(lone.task(0))
    with torch.no_grad():
        group.u[0].add_(1)
    assert group.task(1).equal(lone.task(0))


def test_a_task_alone_is_that_task_s_prompt_and_a_copy(source):
    one = source.alone(2)
    assert one.task(0).equal(source.task(2))
    assert one.num_tasks == 1
    with torch.no_grad():
        one.shared.add_(1)
    assert not one.task(0).equal(source.task(2))


@pytest.mark.parametrize("bad", [-1, SOURCES])
def test_there_is_no_other_task_to_be_alone(source, bad):
    with pytest.raises(IndexError, match=f"no task {bad}"):
        source.alone(bad)


@pytest.mark.parametrize(
    ("num_tasks", "in_all", "per_task"),
    [(1, 77_668, 77_668), (8, 83_744, 10_468), (5, 81_140, 16_228)],
)
def test_parameters_at_t5_base_are_counted_as_the_paper_prints_them(num_tasks, in_all, per_task):
    source = MultitaskPrompt.start(torch.zeros(100, 768), 6, 1, "identity", torch.Generator())
    group = source.for_targets(num_tasks, "identity", False, torch.Generator())
    stored = unpack(pack(group))
    assert (stored.num_parameters, stored.parameters_per_task) == (in_all, per_task)
    assert stored.alone(0).parameters_per_task == 77_668
