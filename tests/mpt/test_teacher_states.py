"""Kept states of teachers are those that the backbone would compute again."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from mpt.distill import Distillation, source_loss, teach
from mpt.encoding import mixed_batch
from mpt.prompt import MultitaskPrompt
from mpt.teacher_states import TeacherStates, can_keep

P, K = 4, 2
PLAIN = Distillation()
TEXTS = (["a good film", "the worst film I ever saw", "maybe"], ["and", "one more"])
ANSWERS = (["positive", "no", "a great one"], ["no", "maybe not"])
DRAWN = [(0, 1), (1, 0), (0, 1), (0, 2)]


@pytest.fixture(params=["t5", "t5 in float64", "llama"])
def model(request, make_backbone, make_causal):
    if request.param == "llama":
        return make_causal("llama")
    exact = request.param != "t5"
    return make_backbone("1.1", torch.float64 if exact else torch.float32)


@pytest.fixture
def rows(model):
    return [
        model.encode(*part, max_input=50, max_answer=20)
        for part in zip(TEXTS, ANSWERS, strict=True)
    ]


@pytest.fixture
def teachers(model, generator):
    return torch.randn(K, P, model.hidden_size, generator=generator, dtype=model.model.dtype)


def kept(model, teachers, rows, folder):
    return TeacherStates(model, teachers, rows, folder)


def test_loss_and_gradient_are_those_of_teachers_that_are_run(
    model, rows, teachers, tmp_path, generator
):
    batch = mixed_batch(rows, DRAWN, "cpu")
    states = kept(model, teachers, rows, tmp_path)
    shared = torch.randn(P, model.hidden_size, generator=generator, dtype=teachers.dtype)
    found = []
    for taught in (teach(model, teachers, batch, PLAIN), states.signals(DRAWN, batch, PLAIN)):
        student = MultitaskPrompt(shared, [shared[:, :1]] * K, [shared[:1]] * K)
        loss = source_loss(model, student, taught, batch, PLAIN)
        loss.backward()
        found.append((loss.detach(), student.shared.grad))
    (loss, gradient), (again, its_gradient) = found
    assert_close(again, loss, rtol=1e-5, atol=1e-6)
    assert_close(its_gradient, gradient, rtol=1e-5, atol=1e-5 * float(gradient.abs().max()))


def test_a_row_is_computed_once_and_read_again_by_another_process(
    model, rows, teachers, tmp_path, monkeypatch
):
    batch = mixed_batch(rows, DRAWN, "cpu")
    first = kept(model, teachers, rows, tmp_path).signals(DRAWN, batch, PLAIN)
    monkeypatch.setattr(type(model), "forward", None)  # it cannot be called any more
    again = kept(model, teachers, rows, tmp_path).signals(DRAWN, batch, PLAIN)
    assert_close(again.decoder_hidden[0], first.decoder_hidden[0], rtol=0, atol=0)


def test_the_bits_of_a_row_do_not_depend_on_what_was_drawn_with_it(model, rows, teachers, tmp_path):
    together, alone = (kept(model, teachers, rows, tmp_path / name) for name in ("a", "b"))
    whole = together.signals(DRAWN, mixed_batch(rows, DRAWN, "cpu"), PLAIN).decoder_hidden[0]
    for place, one in enumerate(DRAWN):
        row = alone.signals([one], mixed_batch(rows, [one], "cpu"), PLAIN).decoder_hidden[0]
        assert torch.equal(whole[place, : row.shape[1]], row[0])


def test_another_teacher_other_rows_or_half_a_row_are_computed_anew(
    model, rows, teachers, tmp_path
):
    batch = mixed_batch(rows, DRAWN, "cpu")
    right = kept(model, teachers, rows, tmp_path).signals(DRAWN, batch, PLAIN)
    assert len(list(tmp_path.iterdir())) == K
    kept(model, 2 * teachers, rows, tmp_path)
    kept(model, teachers, rows[::-1], tmp_path)
    assert len(list(tmp_path.iterdir())) == 3 * K

    states = kept(model, teachers, rows, tmp_path)
    states._keep(0, 1, np.zeros((1, model.hidden_size), np.float32))  # as a crash leaves a page
    found = kept(model, teachers, rows, tmp_path).signals(DRAWN, batch, PLAIN)
    assert_close(found.decoder_hidden[0], right.decoder_hidden[0], rtol=0, atol=0)


def test_a_task_without_rows_has_nothing_to_keep(model, rows, teachers, tmp_path):
    none = [rows[0], model.encode([], [], max_input=50, max_answer=20)]
    batch = mixed_batch(none, DRAWN[:1], "cpu")
    assert kept(model, teachers, none, tmp_path).signals(DRAWN[:1], batch, PLAIN).logits.any()


def test_only_last_states_can_be_kept():
    assert can_keep(PLAIN)
    assert can_keep(Distillation(decoder_layers=()))
    assert not can_keep(Distillation(decoder_layers=(-1, 1)))
    assert not can_keep(Distillation(encoder_layers=(-1,)))
