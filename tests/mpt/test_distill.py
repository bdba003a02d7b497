import math

import pytest
import torch
from torch.testing import assert_close

from mpt.distill import Distillation, UnequalPrompts, distillation_loss, source_loss, teach
from mpt.prompt import MultitaskPrompt, Prefix

P, K = 4, 2
EVERYTHING = Distillation(
    weight=0.7, temperature=1.7, decoder_layers=(-1, 1), encoder_layers=(0, -1)
)


@pytest.fixture
def batch(exact):
    inputs = ["a good film", "the worst film I ever saw", "maybe", "and"]
    encoded = exact.encode(inputs, ["positive", "no", "a great one", ""], 50, 20)
    return encoded.batch([0, 1, 2, 3], [0, 1, 1, 0], "cpu")


@pytest.fixture
def teachers(generator):
    return torch.randn(K, P, 16, generator=generator, dtype=torch.float64, requires_grad=True)


@pytest.fixture
def student(generator):
    shared = torch.randn(P, 16, generator=generator, dtype=torch.float64)
    return MultitaskPrompt.start(shared, K, 1, "peft", generator)


def both(backbone, student, teachers, batch, settings):
    layers = (settings.encoder_layers, settings.decoder_layers)
    ours = backbone(student(batch.task_ids), batch, *layers)
    return ours, backbone(Prefix(teachers, batch.task_ids), batch, *layers)


def whole_loss(backbone, student, teachers, batch, settings):
    taught = teach(backbone, teachers, batch, settings)
    return source_loss(backbone, student, taught, batch, settings)


def softmax(row, temperature):
    powers = [math.exp(value / temperature) for value in row]
    return [power / sum(powers) for power in powers]


def slow_divergence(student, teacher, labels, temperature):
    total, count = 0.0, 0
    for b, row in enumerate(labels.tolist()):
        for s, label in enumerate(row):
            if label == -100:
                continue
            q = softmax(student.logits[b, s].tolist(), temperature)
            p = softmax(teacher.logits[b, s].tolist(), temperature)
            total += sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
            count += 1
    return total / count


def slow_error(student, teacher, keep):
    layers = []
    for ours, theirs in zip(student, teacher, strict=True):
        squares = [
            (ours[b, s, h] - theirs[b, s, h]).item() ** 2
            for b, row in enumerate(keep)
            for s, kept in enumerate(row)
            for h in range(ours.shape[2])
            if kept
        ]
        layers.append(sum(squares) / len(squares))
    return sum(layers) / len(layers)


def test_the_loss_is_the_formula_spelled_out(exact, student, teachers, batch):
    ours, theirs = both(exact, student, teachers, batch, EVERYTHING)
    label_kept = [[label != -100 for label in row] for row in batch.labels.tolist()]
    seen = [[True] * P + [bool(seen) for seen in row] for row in batch.mask.tolist()]
    expected = slow_divergence(ours, theirs, batch.labels, 1.7)
    expected += slow_error(ours.decoder_hidden, theirs.decoder_hidden, label_kept)
    expected += slow_error(ours.encoder_hidden, theirs.encoder_hidden, seen)
    # 1e-6: errors are summed by torch, and T5's norm is float32 inside
    got = distillation_loss(ours, theirs, batch, EVERYTHING).item()
    assert got == pytest.approx(expected, rel=1e-6)
    whole = whole_loss(exact, student, teachers, batch, EVERYTHING).item()
    assert whole == pytest.approx(ours.loss.item() + 0.7 * expected, rel=1e-6)


def test_a_student_equal_to_its_teacher_has_nothing_to_learn(exact, student, batch):
    teachers = torch.stack([student.task(k) for k in range(K)])
    ours, theirs = both(exact, student, teachers, batch, EVERYTHING)
    assert distillation_loss(ours, theirs, batch, EVERYTHING).abs() < 1e-12


def test_padding_does_not_count(exact, student, teachers, batch):
    ours, theirs = both(exact, student, teachers, batch, EVERYTHING)
    before = distillation_loss(ours, theirs, batch, EVERYTHING)
    padding = batch.labels == -100
    unseen = ours.encoder_mask == 0
    assert padding.any()
    assert unseen.any()
    with torch.no_grad():
        ours.logits[padding] += 100 * torch.rand(ours.logits.shape[-1])
        for layer in ours.decoder_hidden:
            layer[padding] += 100
        for layer in ours.encoder_hidden:
            layer[unseen] += 100
    assert_close(distillation_loss(ours, theirs, batch, EVERYTHING), before, rtol=0, atol=0)


def test_weight_zero_is_plain_multitask_training(exact, student, teachers, batch):
    plain = exact(student(batch.task_ids), batch).loss
    settings = Distillation(weight=0)
    assert_close(source_loss(exact, student, None, batch, settings), plain, rtol=0, atol=0)


def test_each_term_can_be_left_out(exact, student, teachers, batch):
    parts = [
        Distillation(decoder_layers=()),
        Distillation(logits=False),
        Distillation(logits=False, decoder_layers=(), encoder_layers=(-1,)),
    ]
    ours, theirs = both(exact, student, teachers, batch, Distillation(encoder_layers=(-1,)))
    terms = [
        distillation_loss(
            ours._replace(decoder_hidden=ours.decoder_hidden if part.decoder_layers else ()),
            theirs._replace(decoder_hidden=theirs.decoder_hidden if part.decoder_layers else ()),
            batch,
            part,
        )
        for part in parts
    ]
    together = distillation_loss(ours, theirs, batch, Distillation(encoder_layers=(-1,)))
    assert_close(sum(terms), together)
    assert min(terms) > 0


def test_no_gradient_reaches_the_teachers_and_one_reaches_the_student(
    exact, student, teachers, batch
):
    whole_loss(exact, student, teachers, batch, EVERYTHING).backward()
    assert teachers.grad is None
    assert student.shared.grad.any()
    assert all(factor.grad.any() for factor in student.fast())


def test_each_row_is_taught_by_the_teacher_of_its_task(exact, student, teachers, batch):
    before = whole_loss(exact, student, teachers, batch, EVERYTHING)
    swapped = batch._replace(task_ids=1 - batch.task_ids)
    assert whole_loss(exact, student, teachers, swapped, EVERYTHING) != before


def test_prompts_of_unequal_length_share_no_encoder_positions(exact, student, teachers, batch):
    longer = torch.cat([teachers, teachers], dim=1).detach()
    with pytest.raises(UnequalPrompts, match="4 tokens, its teachers 8"):
        whole_loss(exact, student, longer, batch, EVERYTHING)
    assert whole_loss(exact, student, longer, batch, Distillation()).isfinite()
