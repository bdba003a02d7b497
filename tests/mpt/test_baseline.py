"""PEFT's methods on tiny models of each family: that they learn, and that they answer as ours."""

import pytest
import torch
from torch.testing import assert_close
from transformers import T5Config, T5ForConditionalGeneration

from mpt.baseline import Baseline
from mpt.checkpoint import Checkpoint
from mpt.encoder_decoder import EncoderDecoder
from mpt.evaluate import decode, label_scores
from mpt.initial import vocabulary
from mpt.prompt import SoftPrompt
from mpt.sampling import plain_batches
from mpt.train import Schedule, train
from tests.mpt.conftest import FAMILIES, SIZE

P = 4
OPTIONS = {
    "prompt_tuning": {"prompt_length": P},
    "prefix_tuning": {"prompt_length": P},
    "p_tuning_mlp": {"prompt_length": P},
    "p_tuning_lstm": {"prompt_length": P},
    "p_tuning_v2": {"prompt_length": P},
    "llama_adapter": {"adapter_length": 3, "adapter_layers": None},
    "lora": {"rank": 2},
    "full": {},
}
INPUTS = ["a good film, and a great one", "the worst", "the worst film I ever saw"]
LABELS = ["positive", "no", "a maybe"]  # of several tokens each


@pytest.fixture(scope="session")
def make_family(make_backbone, make_causal):
    """Return a maker of backbones of a family; PEFT needs some shapes that ours does not."""
    usual = {"qwen3": {"head_dim": 4}, "opt": {"word_embed_proj_dim": 16}}

    def make(family, dtype=torch.float32):
        if family == "t5":
            return make_backbone("1.1", dtype)
        return make_causal(family, dtype, **usual.get(family, {}))

    return make


def start(backbone, method, seed=0):
    return Baseline.start(backbone, method, OPTIONS[method], seed)


def rows_of(backbone):
    return backbone.encode(INPUTS, LABELS, 50, 20)


def whole_batch(backbone):
    return rows_of(backbone).batch([0, 1, 2], [0, 0, 0], "cpu")


def works(method, family):
    return method != "llama_adapter" or family in {"llama", "mistral", "gpt2"}


@pytest.mark.parametrize("family", ["t5", *FAMILIES])
@pytest.mark.parametrize("method", OPTIONS)
def test_each_method_learns_on_each_family_where_it_can_and_fails_elsewhere(
    method, family, make_family
):
    backbone = make_family(family)
    before = {name: weight.clone() for name, weight in backbone.state_dict().items()}
    if not works(method, family):
        with pytest.raises(ValueError, match="Unsupported model type"):
            start(backbone, method)
        return
    learner, batch = start(backbone, method), whole_batch(backbone)
    losses = []
    optimizer = torch.optim.AdamW(learner.slow(), lr=0.02)
    for step in range(6):
        optimizer.zero_grad()
        loss = learner.loss(batch)
        loss.backward()
        if step == 1:  # LoRA's A and an adapter's prompt have no gradient before B and gate move
            assert all(weight.grad.any() for weight in learner.slow())
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert_close(backbone.state_dict(), before, rtol=0, atol=0)
    assert not any(weight.requires_grad for weight in backbone.parameters())


def wide_heads(tokenizer):
    config = T5Config(**SIZE | {"d_kv": 8}, vocab_size=len(tokenizer), decoder_start_token_id=0)
    return EncoderDecoder(T5ForConditionalGeneration(config), tokenizer)


def test_heads_or_embeddings_of_an_odd_width_do_not_fit_all_of_peft(tokenizer, make_causal):
    """Which is why each baseline is tried on one example before it is queued."""
    odd = {
        "p_tuning_v2": wide_heads(tokenizer),
        "llama_adapter": make_causal("llama", head_dim=8),
        "prompt_tuning": make_causal("opt"),  # its embedding is 12 wide, not 16
    }
    for method, backbone in odd.items():
        with pytest.raises(RuntimeError, match=r"size|Sizes"):
            start(backbone, method).loss(whole_batch(backbone))
        start(backbone, "lora").loss(whole_batch(backbone))


BFLOAT16 = [method for method in OPTIONS if method not in {"llama_adapter", "full"}]


@pytest.mark.parametrize("family", ["t5", "llama"])
@pytest.mark.parametrize("method", BFLOAT16)
def test_what_is_trained_is_float32_on_a_backbone_in_bfloat16(method, family, make_family):
    backbone = make_family(family, torch.bfloat16)
    learner = start(backbone, method)
    learner.loss(whole_batch(backbone)).backward()
    assert {weight.dtype for weight in learner.slow()} == {torch.float32}


def test_an_adapter_would_be_trained_in_bfloat16(make_family):
    learner = start(make_family("llama", torch.bfloat16), "llama_adapter")
    assert {weight.dtype for weight in learner.slow()} == {torch.bfloat16}


def test_half_of_a_t5s_prefix_is_never_read(make_family):
    """What the table of methods says of it; should PEFT mend it, the table must change."""
    backbone = make_family("t5")
    learner = start(backbone, "p_tuning_v2")
    learner.loss(whole_batch(backbone)).backward()
    (prefix,) = learner.slow()
    by_layer = prefix.grad.view(P, backbone.num_layers, 2, -1)
    assert by_layer[:, 0].abs().min() > 0
    assert not by_layer[:, 1].any()


@pytest.mark.parametrize("family", ["t5", "llama", "gpt2"])
def test_prompt_tuning_through_peft_has_our_loss_and_gradient(family, make_family):
    backbone = make_family(family, torch.float64)
    learner, batch = start(backbone, "prompt_tuning"), whole_batch(backbone)
    ours = SoftPrompt(learner.slow()[0].double())
    learner.loss(batch).backward()
    loss = backbone(ours(batch.task_ids), batch).loss
    loss.backward()
    assert_close(learner.loss(batch), loss, rtol=1e-6, atol=1e-8)
    assert_close(learner.slow()[0].grad.double(), ours.tokens.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("family", ["t5", "llama"])
def test_prompt_tuning_through_peft_ends_where_ours_does(family, make_family):
    backbone, schedule = make_family(family), Schedule(
        steps=12, learning_rate=0.3, factor_learning_rate=0.3, validate_every=12
    )  # fmt: skip
    rows, learner = rows_of(backbone), start(backbone, "prompt_tuning", seed=3)
    generator = torch.Generator().manual_seed(3)
    ours = SoftPrompt(vocabulary(backbone, P, generator))
    assert torch.equal(learner.slow()[0], ours.tokens)

    def batch(drawn):
        return rows.batch(drawn, [0] * len(drawn), "cpu")

    def our_loss(drawn):
        made = batch(drawn)
        return backbone(ours(made.task_ids), made).loss

    def their_loss(drawn):
        return learner.loss(batch(drawn))

    first = train(learner, plain_batches(3, 2, 0), their_loss, schedule)
    second = train(ours, plain_batches(3, 2, 0), our_loss, schedule)

    assert_close(first.losses, second.losses, rtol=1e-3, atol=1e-3)
    scores = label_scores(learner, None, rows, LABELS, 2)
    assert_close(scores, label_scores(backbone, ours.tokens.detach(), rows, LABELS, 2), **LOOSE)
    assert decode(learner, None, rows, 6, 2) == decode(backbone, ours.tokens.detach(), rows, 6, 2)


LOOSE = {"rtol": 1e-3, "atol": 1e-3}


@pytest.mark.parametrize("family", ["t5", "llama", "gpt2", "opt"])
@pytest.mark.parametrize("method", ["lora", "full"])
def test_before_its_first_step_it_scores_and_writes_as_the_backbone(method, family, make_family):
    backbone = make_family(family)
    learner, rows = start(backbone, method), rows_of(backbone)
    scores = label_scores(learner, None, rows, LABELS, 2)
    assert_close(scores, label_scores(backbone, None, rows, LABELS, 2), rtol=1e-5, atol=1e-5)
    assert decode(learner, None, rows, 6, 2) == decode(backbone, None, rows, 6, 2)


@pytest.mark.parametrize(("method", "family"), [
    (method, family)
    for method in OPTIONS
    for family in ("t5", "llama")
    if works(method, family) and method != "full"
])  # fmt: skip
def test_it_writes_what_pefts_own_generate_does(method, family, make_family):
    backbone = make_family(family)
    learner, rows = start(backbone, method, seed=1), rows_of(backbone)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():  # far from where it starts
        for weight in learner.slow():
            weight.add_(torch.randn(weight.shape, generator=generator), alpha=0.3)
    model = learner._parts[0]
    for row, answer in enumerate(decode(learner, None, rows, 5, 3)):
        asked = rows.batch([row], [0], "cpu")
        ids = model.generate(
            input_ids=asked.input_ids, attention_mask=asked.mask, max_new_tokens=5, num_beams=1,
            do_sample=False, eos_token_id=1 if family == "t5" else None, pad_token_id=0,
        )  # fmt: skip
        if family != "t5":
            ids = ids[:, -5:]
        assert backbone.texts(ids) == [answer]


@pytest.mark.parametrize("method", OPTIONS)
def test_a_seed_means_the_same_start_and_leaves_torchs_generator_alone(method, make_family):
    backbone = make_family("llama")
    state = torch.random.get_rng_state()
    first, second, other = (start(backbone, method, seed) for seed in (5, 5, 6))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert_close(first.state_dict(), second.state_dict(), rtol=0, atol=0)
    same = all(torch.equal(a, b) for a, b in zip(first.slow(), other.slow(), strict=True))
    assert same == (method == "full")


def test_only_what_is_trained_is_saved_and_a_broken_off_training_goes_on_to_the_bit(
    make_family, tmp_path
):
    backbone, rows = make_family("llama"), rows_of(make_family("llama"))
    schedule = Schedule(steps=8, learning_rate=0.01, factor_learning_rate=0.01, validate_every=3)

    def run(path, stop=None):
        learner = start(backbone, "lora")

        def on_step(step, loss):
            if step == stop:
                raise KeyboardInterrupt

        trained = train(
            learner, plain_batches(3, 2, 0),
            lambda drawn: learner.loss(rows.batch(drawn, [0] * len(drawn), "cpu")), schedule,
            validate=lambda: -learner.loss(whole_batch(backbone)).item(),
            checkpoint=Checkpoint(path), on_step=on_step,
        )  # fmt: skip
        return learner, trained

    whole, expected = run(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "broken", stop=5)
    resumed, trained = run(tmp_path / "broken")
    assert trained == expected
    assert_close(resumed.state_dict(), whole.state_dict(), rtol=0, atol=0)
    assert sum(one.numel() for one in whole.state_dict().values()) == whole.num_trained
    # Two layers' query (16 to 16) and value (16 to 8), of rank 2.
    assert whole.num_trained == 2 * 2 * ((16 + 16) + (16 + 8))


def test_reading_is_of_each_row_alone_whatever_it_is_padded_with(make_family):
    for family in ("t5", "gpt2", "bloom"):
        backbone = make_family(family)
        learner, rows = start(backbone, "prefix_tuning"), rows_of(backbone)
        together = label_scores(learner, None, rows, LABELS, 3)
        assert_close(together, label_scores(learner, None, rows, LABELS, 1), rtol=1e-5, atol=1e-5)
