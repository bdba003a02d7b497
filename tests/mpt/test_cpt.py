"""CPT against PEFT's own, on the same weights, contexts and draws."""

import peft
import pytest
import torch
from torch.nn.utils.rnn import pad_sequence
from torch.testing import assert_close

from mpt.context import Role, Shot, build
from mpt.cpt import context_loss, start
from mpt.evaluate import label_scores

SHOTS = [
    Shot("sentence: a good film", [(10, 21)], "positive"),
    Shot("sentence: the worst film I ever saw", [(10, 35)], "maybe not"),
    Shot("sentence: one", [(10, 13)], "positive"),
]
LABELS = ["positive", "maybe not"]


@pytest.fixture(params=["llama", "gpt2", "opt", "bloom"])
def backbone(request, make_causal):
    changes = {"word_embed_proj_dim": 16} if request.param == "opt" else {}
    return make_causal(request.param, **changes)


def moved(backbone, seed=0):
    """A prompt within its balls."""
    prompt = start(backbone, build(backbone, SHOTS), input_radius=2.0, format_radius=1.0)
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        prompt.delta.copy_(torch.randn(prompt.delta.shape, generator=draw))
    prompt.project_()
    return prompt


def in_peft(backbone, prompt, decay):
    """PEFT's model with the same context and the same move."""
    context = prompt.context
    roles = torch.where(context.roles > 0, 4 * context.examples + context.roles, 0)
    config = peft.CPTConfig(
        task_type="CAUSAL_LM",
        cpt_token_ids=context.ids.tolist(),
        cpt_mask=[1] * len(context.ids),
        cpt_tokens_type_mask=roles.tolist(),
        opt_weighted_loss_type="decay",
        opt_loss_decay_factor=decay,
        opt_projection_epsilon=2.0,
        opt_projection_format_epsilon=1.0,
    )
    model = peft.get_peft_model(backbone.model, config)
    model.prompt_encoder["default"].delta_embedding.weight.data.copy_(prompt.delta.detach())
    return model


@pytest.mark.parametrize("decay", [1.0, 0.9])
def test_loss_and_gradient_are_pefts(backbone, decay):
    prompt, drawn = moved(backbone), [2, 0, 1, 1]
    loss = context_loss(backbone, prompt, drawn, decay)
    loss.backward()

    model = in_peft(backbone, prompt, decay)
    context = prompt.context
    mine = [(context.examples == at) & (context.roles > 0) for at in drawn]
    ids = pad_sequence([context.ids[one] for one in mine], batch_first=True)
    roles = pad_sequence([context.roles[one] for one in mine], batch_first=True)
    theirs = model(
        input_ids=ids, labels=ids, input_type_mask=roles, attention_mask=(roles > 0).long()
    ).loss
    theirs.backward()
    gradient = model.prompt_encoder["default"].delta_embedding.weight.grad

    assert_close(loss, theirs, rtol=1e-5, atol=1e-5)
    assert_close(prompt.delta.grad, gradient, rtol=1e-5, atol=1e-5)


def test_labels_and_what_is_outside_of_the_examples_stay(backbone):
    prompt = moved(backbone)
    context_loss(backbone, prompt, [0, 1], 1.0).backward()
    stays = (prompt.roles == Role.LABEL) | (prompt.roles == Role.NONE)
    assert stays.any()
    assert not prompt.delta[stays].any()
    assert not prompt.delta.grad[stays].any()
    assert prompt.delta.grad[~stays].any(dim=1).all()


def test_a_step_that_leaves_the_ball_is_pulled_back_to_its_border(make_causal):
    backbone = make_causal("llama")
    prompt = start(backbone, build(backbone, SHOTS), input_radius=0.2, format_radius=0.1)
    with torch.no_grad():
        prompt.delta.fill_(1.0)
        prompt.delta[3] = 1e-6
    prompt.project_()
    scale = (16 / 2048) ** 0.5
    for role, radius in [(Role.INPUT, 0.2), (Role.INPUT_FORMAT, 0.1), (Role.OUTPUT_FORMAT, 0.1)]:
        norms = prompt.delta.norm(dim=1)[prompt.roles == role]
        norms = norms[norms > 1e-4]
        assert_close(norms, torch.full_like(norms, radius * scale))
    assert_close(prompt.delta[3], torch.full((16,), 1e-6))


def test_without_a_radius_it_is_in_context_learning(backbone):
    context = build(backbone, SHOTS)
    still = start(backbone, context, input_radius=0.0, format_radius=0.0)
    with torch.no_grad():
        still.delta.fill_(3.0)
    still.project_()
    asked = backbone.encode_next(["sentence: a film"], ["positive"], 50, 9)
    scores = label_scores(backbone, still.task(0).detach(), asked, LABELS, 1)
    for at, label in enumerate(backbone.label_ids(LABELS)):
        ids = torch.cat([context.ids, asked.input(0), torch.tensor(label)]).long()[None]
        said = backbone.model(input_ids=ids[:, :-1]).logits[0, -len(label) :].log_softmax(-1)
        expected = said.gather(1, torch.tensor(label)[:, None]).sum()
        assert_close(scores[0, at], expected, rtol=1e-5, atol=1e-5)


def test_a_front_stands_before_the_context_and_is_not_trained(make_causal):
    backbone = make_causal("llama", torch.float64)
    front = torch.randn(2, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    prompt = start(
        backbone, build(backbone, SHOTS), input_radius=1.0, format_radius=1.0, front=front.float()
    ).double()
    assert_close(prompt.task(0)[:2], front, rtol=1e-6, atol=1e-6)
    assert [name for name, _ in prompt.named_parameters()] == ["delta"]
    loss = context_loss(backbone, prompt, [1], 0.5)
    context = prompt.context
    suffix = context.ids[(context.examples == 1) & (context.roles > 0)]
    embeds = torch.cat([prompt.task(0), backbone.embed(suffix)])[None]
    logits = backbone.model(inputs_embeds=embeds, use_cache=False).logits[0]
    ids = torch.cat([torch.zeros(2, dtype=torch.long), context.ids, suffix])
    roles = torch.cat([context.roles, context.roles[(context.examples == 1) & (context.roles > 0)]])
    weights = [0.5 ** (3 - int(e)) for e in context.examples] + [1.0] * len(suffix)
    total, count = 0.0, 0
    for at, role in enumerate(roles.tolist()):
        if role == Role.LABEL:
            nats = -logits[at + 1].log_softmax(-1)[ids[at + 2]]
            total, count = total + weights[at] * nats, count + 1
    assert_close(loss, total / count, rtol=1e-7, atol=1e-7)


def test_the_context_is_read_once_and_what_follows_it_up_to_the_last_token_of_its_label(
    make_causal,
):
    backbone, seen = make_causal("llama"), []
    prompt = moved(backbone)
    hook = backbone.model.base_model.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(tuple(kwargs["inputs_embeds"].shape[:2])),
        with_kwargs=True,
    )
    context_loss(backbone, prompt, [0, 1, 2, 2, 1], 1.0)
    hook.remove()
    mine = [prompt.roles[(prompt.examples == at) & (prompt.roles > 0)] for at in range(3)]
    lengths = [int((roles == Role.LABEL).nonzero().max()) for roles in mine]
    read = sum(lengths[at] for at in [0, 1, 2, 2, 1])
    assert seen == [(1, len(prompt.ids) + read)]


def test_the_decay_is_not_rounded_to_a_half_precision_backbones_numbers(make_causal):
    backbone = make_causal("llama", torch.bfloat16)
    prompt = moved(backbone)

    def loss(decay):
        return context_loss(backbone, prompt, [0, 1], decay).double().detach()

    # The loss is a polynomial in γ, and bfloat16 holds the powers of these γ exactly.
    exact = torch.tensor([1.0, 0.5, 0.25, 0.125], dtype=torch.float64)
    powers = torch.arange(4)
    terms = torch.linalg.solve(exact[:, None] ** powers, torch.stack([loss(g) for g in exact]))
    assert_close(loss(0.95), (terms * 0.95**powers).sum(), rtol=1e-5, atol=1e-5)
