"""What every training promises: asked twice it trains once, and its seed fixes every byte."""

import pytest
import torch

from pipelines.adapt import adapt
from pipelines.learn import learn
from pipelines.spec import AdaptSpec, LearnSpec, TeachSpec
from pipelines.teach import teach

SPECS = {"teach": TeachSpec, "learn": LearnSpec, "adapt": AdaptSpec}


@pytest.fixture(params=SPECS)
def stage(request):
    return request.param


@pytest.fixture
def train(stage, specs, source, teachers):
    """Run the stage; `others` change values of its recipe."""
    return {
        "teach": lambda svc, **others: teach(specs.teach(**others), svc),
        "learn": lambda svc, **others: learn(specs.learn(**others), teachers, svc),
        "adapt": lambda svc, **others: adapt(specs.adapt(**others), source, svc),
    }[stage]


def test_the_same_request_trains_once(counting, train, stage):
    svc, steps = counting
    first = train(svc, seed=3)  # which nobody has trained with yet
    assert train(svc, seed=3) == first
    assert steps == [(stage, step) for step in (1, 2, 3, 4)]


def test_a_seed_fixes_every_byte(svc, train, stage, made, monkeypatch):
    first, other = train(svc), train(svc, seed=1)
    monkeypatch.setattr(SPECS[stage], "version", 2)  # else the first run would be found
    torch.manual_seed(5)  # torch's own generator must not matter
    again = train(svc)
    assert again != first
    assert made(again) == made(first) != made(other)
