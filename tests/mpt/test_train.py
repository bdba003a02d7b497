import math
from itertools import count, islice

import pytest
import torch
from torch.testing import assert_close

from mpt.prompt import MultitaskPrompt, SoftPrompt
from mpt.sampling import plain_batches
from mpt.train import NonFinite, Schedule, train

P, H, K = 4, 6, 3


@pytest.fixture
def prompt(generator):
    shared = torch.randn(P, H, generator=generator, dtype=torch.float64)
    return MultitaskPrompt.start(shared, K, 2, "peft", generator)


@pytest.fixture
def target(generator):
    return torch.randn(K, P, H, generator=generator, dtype=torch.float64)


def schedule(**changes):
    values = {"steps": 20, "learning_rate": 0.03, "factor_learning_rate": 0.04}
    return Schedule(**(values | {"validate_every": 5} | changes))


def distance(prompt, target):
    """A loss without a backbone: how far the drawn tasks' prompts are from what they should be."""
    return lambda tasks: (prompt(torch.tensor(tasks)).rows() - target[tasks]).square().sum()


def tasks_in_turn():
    return ([[0, 1], [2], [0, 2], [0]][n % 4] for n in count())


def test_rates_rise_and_fall_linearly_and_are_never_zero():
    rates = [schedule(steps=10, warmup=0.3).scale(step) for step in range(10)]
    assert rates == pytest.approx([1 / 4, 2 / 4, 3 / 4, *(n / 7 for n in range(7, 0, -1))])
    assert [schedule(steps=3, warmup=0).scale(s) for s in range(3)] == [1, 2 / 3, 1 / 3]
    assert [schedule(steps=1).scale(0), schedule(steps=2, warmup=1).scale(1)] == [1, 2 / 3]


def adamw_by_hand(prompt, target, plan):
    """AdamW as in Loshchilov and Hutter 2019, with everything that `Schedule` adds, spelled out."""
    base = {id(p): plan.learning_rate for p in prompt.slow()}
    base |= {id(p): plan.factor_learning_rate for p in prompt.fast()}
    first, second, taken = {}, {}, {}
    losses, rising = [], round(plan.warmup * plan.steps)
    for step, tasks in enumerate(islice(tasks_in_turn(), plan.steps)):
        loss = distance(prompt, target)(tasks)
        losses.append(loss.item())
        parameters = list(prompt.parameters())
        gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
        squares = sum(g.square().sum().item() for g in gradients if g is not None)
        shrink = min(1.0, plan.clip / (math.sqrt(squares) + 1e-6))
        rate = (step + 1) / (rising + 1) if step < rising else (20 - step) / (20 - rising)
        for p, g in zip(parameters, gradients, strict=True):
            if g is None:
                continue  # an absent task: nothing moves, nothing decays, no step is counted
            key = id(p)
            taken[key] = n = taken.get(key, 0) + 1
            first[key] = 0.9 * first.get(key, 0) + 0.1 * shrink * g
            second[key] = 0.999 * second.get(key, 0) + 0.001 * (shrink * g) ** 2
            ahead = first[key] / (1 - 0.9**n)
            size = (second[key] / (1 - 0.999**n)).sqrt() + 1e-8
            with torch.no_grad():
                p.sub_(rate * base[key] * (plan.weight_decay * p + ahead / size))
    return losses


@pytest.mark.parametrize("changes", [{}, {"weight_decay": 0.5}, {"clip": 1e9}, {"warmup": 0.0}])
def test_training_is_adamw_with_two_speeds_warm_up_decay_and_clipping(prompt, target, changes):
    by_hand = MultitaskPrompt(prompt.shared, list(prompt.u), list(prompt.v))
    plan = schedule(**changes)
    expected = adamw_by_hand(by_hand, target, plan)
    trained = train(prompt, tasks_in_turn(), distance(prompt, target), plan)
    assert trained.losses == pytest.approx(expected, rel=1e-9)
    assert_close(dict(prompt.state_dict()), dict(by_hand.state_dict()))
    assert trained.losses[-1] < trained.losses[0]


def test_a_task_that_is_never_drawn_is_never_moved(prompt, target):
    before = prompt.u[2].clone()
    draws = ([0, 1] for _ in count())
    train(prompt, draws, distance(prompt, target), schedule(weight_decay=0.5))
    assert prompt.u[2].equal(before)


def test_absent_tasks_can_be_moved_by_momentum_as_in_peft(prompt, target):
    prompt.freeze_absent_tasks = False
    seen = []

    def loss_of(tasks):
        seen.append(prompt.u[2].detach().clone())
        return distance(prompt, target)(tasks)

    train(prompt, iter([[2], [0], [0]]), loss_of, schedule(steps=3))
    assert not seen[2].equal(seen[1])


def test_a_frozen_shared_prompt_stays_and_the_factors_move(prompt, target, generator):
    one = prompt.for_targets(1, "average", freeze_shared=True, generator=generator)
    before = {name: value.clone() for name, value in one.state_dict().items()}
    train(one, ([0] for _ in count()), distance(one, target), schedule(weight_decay=0.5))
    assert one.shared.equal(before["shared"])
    assert not one.u[0].equal(before["u.0"])


def test_the_best_validated_state_is_kept_and_the_earliest_of_equals(prompt, target):
    scores, states = iter([1.0, 3.0, 3.0, 2.0, 0.0]), []

    def validate():
        states.append({name: value.clone() for name, value in prompt.state_dict().items()})
        return next(scores)

    plan = schedule(steps=18, validate_every=4)
    trained = train(prompt, tasks_in_turn(), distance(prompt, target), plan, validate=validate)
    assert trained.curve == [(4, 1.0), (8, 3.0), (12, 3.0), (16, 2.0), (18, 0.0)]
    assert (trained.best_step, trained.best_score) == (8, 3.0)
    assert_close(dict(prompt.state_dict()), states[1], rtol=0, atol=0)


def test_without_validation_the_last_state_is_kept(prompt, target):
    trained = train(prompt, tasks_in_turn(), distance(prompt, target), schedule(steps=3))
    assert (trained.best_step, trained.best_score, trained.curve) == (3, None, [])


def test_each_step_is_reported_with_its_loss(prompt, target):
    seen = []
    trained = train(
        prompt,
        tasks_in_turn(),
        distance(prompt, target),
        schedule(),
        on_step=lambda step, loss: seen.append((step, loss)),
    )
    assert seen == list(enumerate(trained.losses, start=1))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_no_number_stops_the_training_and_moves_nothing(prompt, target, bad):
    states, draws = [], tasks_in_turn()

    def loss_of(tasks):
        states.append({name: value.clone() for name, value in prompt.state_dict().items()})
        return distance(prompt, target)(tasks) * (bad if len(states) == 3 else 1)

    with pytest.raises(NonFinite, match="loss of step 3 is"):
        train(prompt, draws, loss_of, schedule())
    assert_close(dict(prompt.state_dict()), states[2], rtol=0, atol=0)


def test_a_gradient_or_a_score_that_is_no_number_stops_the_training(prompt, target):
    with pytest.raises(NonFinite, match="gradient of step 1"):
        # The square root of 0 is 0, and its slope is infinite.
        train(prompt, tasks_in_turn(), lambda _: (prompt.shared * 0).sum().sqrt(), schedule())
    loss_of = distance(prompt, target)
    with pytest.raises(NonFinite, match="validation score of step 5"):
        train(prompt, tasks_in_turn(), loss_of, schedule(), validate=lambda: math.nan)


def test_a_prompt_that_the_last_step_makes_infinite_is_not_kept():
    prompt = SoftPrompt(torch.full((1, 1), 3e38))
    with pytest.raises(NonFinite, match="largest weight of step 1 is"):
        train(prompt, [0], lambda _: -prompt.tokens.sum(), schedule(steps=1, learning_rate=2e37))


def test_a_prompt_learns_to_steer_a_real_backbone(backbone, generator):
    texts = ["a good film", "the worst film", "maybe", "a great one"]
    encoded = backbone.encode(texts, ["positive"] * 4, 40, 8)
    prompt = SoftPrompt(torch.randn(8, backbone.hidden_size, generator=generator))
    before = {name: weight.clone() for name, weight in backbone.named_parameters()}

    def loss_of(rows):
        batch = encoded.batch(rows, [0] * len(rows), "cpu")
        return backbone(prompt(batch.task_ids), batch).loss

    plan = schedule(steps=40, learning_rate=0.3)
    trained = train(prompt, plain_batches(4, 2, seed=0), loss_of, plan)
    assert trained.losses[-1] < 0.7 * trained.losses[0]
    assert_close(dict(backbone.named_parameters()), before, rtol=0, atol=0)


def test_a_seed_fixes_every_byte_whatever_torchs_global_generator_does(backbone):
    def run(noise):
        torch.manual_seed(noise)
        draw = torch.Generator().manual_seed(0)
        prompt = SoftPrompt(torch.randn(4, backbone.hidden_size, generator=draw))
        encoded = backbone.encode(["a good film", "the worst"], ["positive", "no"], 40, 8)

        def loss_of(rows):
            torch.rand(noise)
            batch = encoded.batch(rows, [0] * len(rows), "cpu")
            return backbone(prompt(batch.task_ids), batch).loss

        trained = train(prompt, plain_batches(2, 2, seed=0), loss_of, schedule(steps=6))
        return prompt.tokens.detach().numpy().tobytes(), trained.losses

    assert run(1) == run(2)
