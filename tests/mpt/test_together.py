"""Trainings that go through a backbone together end as each does alone."""

import math
from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close
from transformers.models.t5.modeling_t5 import T5LayerNorm

from mpt.prompt import MultitaskPrompt, SoftPrompt
from mpt.sampling import plain_batches
from mpt.together import Asked, loss_of, losses_of, together
from mpt.train import NonFinite, Schedule, alone, training

TEXTS = ["a good film", "the worst film I ever saw", "maybe", "a great one", "and", "one more"]
ANSWERS = ["positive", "no", "a great one", "no", "maybe not", "positive"]
STEPS = 50


def plan(**changes):
    values = {
        "steps": STEPS, "learning_rate": 0.3, "factor_learning_rate": 0.4, "validate_every": 5,
    }  # fmt: skip
    return Schedule(**values | changes)


PLANS = (plan(), plan(learning_rate=0.05, clip=0.1), plan(steps=20), plan(patience=2))


class Jobs:
    """The same four trainings each time: of two kinds of prompt, two lengths, and four plans."""

    def __init__(self, backbone, plans=PLANS):
        self.backbone = backbone
        self.plans = plans
        self.rows = [
            backbone.encode(TEXTS[at:], ANSWERS[at:], max_input=50, max_answer=20)
            for at in range(len(PLANS))
        ]

    def start(self, at, **options):
        draw = torch.Generator().manual_seed(at)
        shape = (5 if at == 1 else 3, self.backbone.hidden_size)
        tokens = torch.randn(shape, generator=draw, dtype=self.backbone.model.dtype)
        prompt = SoftPrompt(tokens)
        if at % 2:
            prompt = MultitaskPrompt(tokens, [tokens[:, :1]], [tokens[:1]])
        rows = self.rows[at]
        batches = (
            Asked(prompt, rows, drawn) for drawn in plain_batches(len(rows), 1 + at, seed=at)
        )

        def validate():
            # In steps, so that a training may stop early.
            return -round(loss_of(self.backbone, Asked(prompt, rows, range(len(rows)))).item(), 1)

        return prompt, training(prompt, batches, self.plans[at], validate=validate, **options)

    def alone(self, at):
        prompt, one = self.start(at)
        return prompt, alone(one, lambda asked: loss_of(self.backbone, asked))


@pytest.fixture
def jobs(make_backbone):
    """Jobs on a T5 that is in float64 throughout: Hugging Face's norms round to float32."""
    backbone = make_backbone("1.1", torch.float64)
    for module in list(backbone.modules()):
        for name, norm in module.named_children():
            if isinstance(norm, T5LayerNorm):
                exact = torch.nn.RMSNorm(len(norm.weight), norm.variance_epsilon)
                exact.weight = norm.weight
                setattr(module, name, exact)
    return Jobs(backbone)


def numbers(prompt):
    return [weight.detach() for weight in prompt.parameters()]


def test_each_ends_as_it_does_alone_in_float64(jobs):
    prompts, trainings = zip(*(jobs.start(at) for at in range(4)), strict=True)
    found = together(jobs.backbone, trainings)
    for at, (prompt, trained) in enumerate(zip(prompts, found, strict=True)):
        expected, by_itself = jobs.alone(at)
        assert_close(numbers(prompt), numbers(expected), rtol=1e-7, atol=1e-7)
        assert_close(trained.losses, by_itself.losses, rtol=1e-7, atol=1e-7)
        assert trained.curve == by_itself.curve
    assert len(found[2].losses) == 20
    assert len(found[3].losses) < STEPS


def test_each_stops_where_it_does_alone_in_float32(make_backbone):
    # At the rates above, the last bits of float32 are magnified a thousandfold in ten steps.
    calm = {"learning_rate": 0.003, "factor_learning_rate": 0.003}
    plans = [replace(one, patience=2, **calm) for one in PLANS]
    jobs = Jobs(make_backbone("1.1"), plans)
    _, trainings = zip(*(jobs.start(at) for at in range(4)), strict=True)
    steps = [len(one.losses) for one in together(jobs.backbone, trainings)]
    assert steps == [len(jobs.alone(at)[1].losses) for at in range(4)]
    assert min(steps) < max(steps) <= STEPS


def test_decoder_only_models_take_several_too(make_causal):
    jobs = Jobs(make_causal("llama", torch.float64))
    prompts, trainings = zip(*(jobs.start(at) for at in (0, 2)), strict=True)
    together(jobs.backbone, trainings)
    for at, prompt in zip((0, 2), prompts, strict=True):
        assert_close(numbers(prompt), numbers(jobs.alone(at)[0]), rtol=1e-5, atol=1e-5)


def test_losses_are_means_over_each_trainings_own_label_tokens(jobs):
    asked = [next(jobs.start(at)[1]) for at in (0, 2, 3)]
    for ours, one in zip(losses_of(jobs.backbone, asked), asked, strict=True):
        assert_close(ours, loss_of(jobs.backbone, one), rtol=1e-7, atol=1e-9)


def test_one_that_fails_ends_alone(jobs):
    (_, fine), (broken, failing) = jobs.start(0), jobs.start(2)
    with torch.no_grad():
        broken.tokens[0, 0] = math.nan
    trained, error = together(jobs.backbone, [fine, failing])
    assert trained.losses == pytest.approx(jobs.alone(0)[1].losses)
    assert isinstance(error, NonFinite)


def test_what_stops_one_from_outside_stops_all_where_they_are(jobs):
    seen = []

    def watched(at):
        try:
            yield from jobs.start(at, on_step=stop if at == 2 else lambda *_: None)[1]
        except BaseException as error:
            seen.append((at, type(error)))
            raise

    def stop(step, loss):
        if step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        together(jobs.backbone, [watched(0), watched(2)])
    assert sorted(seen) == [(0, KeyboardInterrupt), (2, KeyboardInterrupt)]
