import pytest
import torch
from peft import MultitaskPromptTuningConfig
from peft.tuners.multitask_prompt_tuning import MultitaskPromptEmbedding
from torch.testing import assert_close

from mpt.prompt import MultitaskPrompt, SoftPrompt, prepend, prepend_each

B, P, H, K, R, T = 3, 5, 8, 4, 2, 7


@pytest.fixture
def prompt(generator):
    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    return MultitaskPrompt(
        draw(P, H), [draw(P, R) for _ in range(K)], [draw(R, H) for _ in range(K)]
    )


def test_a_prompt_is_the_formula_spelled_out(prompt):
    got = prompt(torch.tensor([2, 0, 2])).rows()
    for b, k in enumerate([2, 0, 2]):
        for p in range(P):
            for h in range(H):
                bend = sum(prompt.u[k][p, r] * prompt.v[k][r, h] for r in range(R))
                assert_close(got[b, p, h], prompt.shared[p, h] * bend)


def peft_prompt(prompt):
    config = MultitaskPromptTuningConfig(
        task_type="SEQ_2_SEQ_LM",
        num_tasks=K,
        num_ranks=R,
        num_virtual_tokens=P,
        token_dim=H,
        num_transformer_submodules=1,
    )
    theirs = MultitaskPromptEmbedding(config, word_embeddings=None).double()
    with torch.no_grad():
        theirs.embedding.weight.copy_(prompt.shared)
        theirs.prefix_task_cols.copy_(torch.stack(list(prompt.u)))
        theirs.prefix_task_rows.copy_(torch.stack(list(prompt.v)))
    return theirs


def test_prompts_and_their_gradients_agree_with_peft(prompt, generator):
    theirs, ids = peft_prompt(prompt), torch.tensor([3, 1, 3])
    weight = torch.randn(B, P, H, generator=generator, dtype=torch.float64)
    ours = prompt(ids).rows()
    assert_close(ours, theirs(torch.arange(P).expand(B, P), ids))

    (ours * weight).sum().backward()
    (theirs(torch.arange(P).expand(B, P), ids) * weight).sum().backward()

    assert_close(prompt.shared.grad, theirs.embedding.weight.grad)
    for k in (1, 3):
        assert_close(prompt.u[k].grad, theirs.prefix_task_cols.grad[k])
        assert_close(prompt.v[k].grad, theirs.prefix_task_rows.grad[k])


@pytest.mark.parametrize("freeze", [True, False])
def test_a_task_absent_from_the_batch_has_a_gradient_only_if_that_is_asked_for(prompt, freeze):
    prompt.freeze_absent_tasks = freeze
    prompt(torch.tensor([1, 1])).rows().sum().backward()
    assert prompt.u[1].grad is not None
    for k in (0, 2, 3):
        assert (prompt.u[k].grad is None) == freeze
        assert (prompt.v[k].grad is None) == freeze
        if not freeze:
            assert not prompt.u[k].grad.any()


def test_a_new_prompt_is_the_shared_prompt_for_every_task(generator):
    shared = torch.randn(P, H, generator=generator)
    prompt = MultitaskPrompt.start(shared, K, rank=1, init="identity", generator=generator)
    assert_close(prompt(torch.arange(K)).rows(), shared.expand(K, P, H), rtol=0, atol=0)


def test_a_new_prompt_of_higher_rank_starts_near_the_shared_prompt_and_can_leave_every_rank():
    generator = torch.Generator().manual_seed(1)
    prompt = MultitaskPrompt.start(torch.ones(P, H), K, 3, "identity", generator)
    assert (prompt(torch.arange(K)).rows() - 1).abs().max() < 0.01
    assert prompt.u[0][:, 1:].std() > 0.01
    assert prompt.v[0][1:].std() > 0.01


def test_a_new_prompt_can_start_as_small_as_pefts(generator):
    prompt = MultitaskPrompt.start(torch.ones(50, 60), K, 1, "peft", generator)
    factors = torch.cat([one.flatten() for one in [*prompt.u, *prompt.v]])
    assert factors.std().item() == pytest.approx(0.02, rel=0.1)
    assert prompt(torch.tensor([0])).rows().abs().mean() < 1e-3


def test_the_seed_of_its_generator_fixes_a_new_prompt_and_no_other_seed_does():
    first, again, other = (
        MultitaskPrompt.start(torch.ones(P, H), K, R, "peft", torch.Generator().manual_seed(seed))
        for seed in (3, 3, 4)
    )
    assert first.u[2].equal(again.u[2])
    assert not first.u[2].equal(other.u[2])


@pytest.mark.parametrize("bad", [-1, K])
def test_an_unknown_task_is_an_error_and_does_not_wrap_round(prompt, bad, generator):
    with pytest.raises(IndexError, match=f"no task {bad}"):
        prompt(torch.tensor([0, bad]))
    with pytest.raises(IndexError, match="it has tasks 0 to 3"):
        prompt.task(bad)
    with pytest.raises(IndexError):
        prompt.for_targets(1, bad, freeze_shared=False, generator=generator)


def test_a_target_starts_from_the_mean_matrix_cut_to_the_rank_of_the_source(prompt, generator):
    mean = sum(u @ v for u, v in zip(prompt.u, prompt.v, strict=True)) / K
    left, values, right = torch.linalg.svd(mean)
    cut = sum(values[r] * torch.outer(left[:, r], right[r]) for r in range(R))
    target = prompt.for_targets(1, "average", freeze_shared=False, generator=generator)
    assert_close(target.task(0), prompt.shared * cut)
    assert target.num_tasks == 1


def test_a_target_can_start_from_one_source_task_or_from_the_identity(prompt, generator):
    one = prompt.for_targets(1, 2, freeze_shared=False, generator=generator)
    assert_close(one.task(0), prompt.task(2), rtol=0, atol=0)
    plain = prompt.for_targets(1, "identity", freeze_shared=False, generator=generator)
    assert (plain.task(0) - prompt.shared).abs().max() < 0.02


@pytest.mark.parametrize("init", ["average", "identity", 1])
def test_adapting_a_target_does_not_move_its_source(prompt, init, generator):
    before = {name: value.clone() for name, value in prompt.state_dict().items()}
    target = prompt.for_targets(1, init, freeze_shared=False, generator=generator)
    with torch.no_grad():
        for parameter in target.parameters():
            parameter.add_(1)
    assert_close(dict(prompt.state_dict()), before, rtol=0, atol=0)


def test_a_frozen_shared_prompt_gets_no_gradient_and_the_factors_do(prompt, generator):
    target = prompt.for_targets(1, "average", freeze_shared=True, generator=generator)
    target(torch.tensor([0])).rows().sum().backward()
    assert target.shared.grad is None
    assert target.u[0].grad.any()


def test_a_vanilla_prompt_has_as_many_parameters_as_the_paper_s():
    assert SoftPrompt(torch.zeros(100, 768)).num_parameters == 76_800


def test_a_vanilla_prompt_is_the_same_for_every_task(generator):
    tokens = torch.randn(P, H, generator=generator)
    prompt = SoftPrompt(tokens)
    assert_close(prompt(torch.tensor([0, 7])).rows(), torch.stack([tokens, tokens]))
    assert prompt.fast() == []


def test_a_prepended_prompt_is_attended_to_and_padding_is_still_not():
    mask = torch.tensor([[1] * T, [1] * (T - 2) + [0] * 2])
    embeds = torch.randn(2, T, H, dtype=torch.bfloat16)
    joined, longer = prepend(torch.ones(2, P, H), embeds, mask)
    assert joined.dtype == torch.bfloat16
    assert (joined[:, :P] == 1).all()
    assert joined[:, P:].equal(embeds)
    assert longer[:, :P].all()
    assert longer[:, P:].equal(mask)


def test_each_row_may_have_a_prompt_of_its_own_length():
    mask = torch.tensor([[1] * T, [1] * (T - 2) + [0] * 2])
    embeds = torch.randn(2, T, H, dtype=torch.bfloat16)
    prompts = [torch.ones(P, H), torch.full((P + 1, H), 2.0)]
    joined, longer = prepend_each(prompts, embeds, mask)
    assert joined.dtype == torch.bfloat16
    assert longer.sum(dim=1).tolist() == [P + T, P + T - 1]
    for row, prompt in enumerate(prompts):
        alone, _ = prepend(prompt[None], embeds[row : row + 1], mask[row : row + 1])
        length = int(longer[row].sum())
        assert joined[row, :length].equal(alone[0, :length])
        assert longer[row, :length].all()
        assert not joined[row, length:].any()
