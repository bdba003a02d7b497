"""Each family of causal models, tiny and random, against Hugging Face's own forward pass."""

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from mpt.causal import WindowTooShort
from mpt.decoder_only import NoEncoder
from mpt.encoding import IGNORED
from mpt.evaluate import decode, label_scores
from mpt.prompt import Prefix
from mpt.signals import UnknownLayer

P = 3
LABELS = ["positive", "no", "maybe not"]
TEXTS = ["a good film", "the worst film I ever saw", "one"]


@pytest.fixture
def batch(causal):
    encoded = causal.encode(TEXTS, LABELS, max_input=50, max_answer=20)
    return encoded.batch([0, 1, 2], [0, 0, 0], "cpu")


@pytest.fixture
def prefix(causal):
    draw = torch.Generator().manual_seed(0)
    prompts = torch.randn(2, P, causal.hidden_size, generator=draw, dtype=torch.float64)
    return Prefix(prompts.requires_grad_(), torch.tensor([0, 1, 0]))


def theirs(backbone, prefix, batch):
    """Row by row, without padding or cache: prompt, input and answer as one text."""
    logits, hidden = [], []
    for row in range(len(batch.input_ids)):
        read = batch.input_ids[row, batch.mask[row].bool()]
        answer = batch.labels[row, batch.labels[row] != IGNORED]
        embeds = backbone.embed(torch.cat([read, answer[:-1]]))
        if prefix is not None:
            embeds = torch.cat([prefix.prompts[prefix.owners[row]], embeds])
        out = backbone.model(
            inputs_embeds=embeds.unsqueeze(0), use_cache=False, output_hidden_states=True
        )
        logits.append(out.logits[0, -len(answer) :])
        hidden.append([layer[0, -len(answer) :] for layer in out.hidden_states])
    return logits, hidden


def loss_of(logits, batch):
    labels = batch.labels[batch.labels != IGNORED]
    return F.cross_entropy(torch.cat(logits), labels)


def test_loss_and_gradient_are_those_of_the_whole_text(causal, prefix, batch):
    expected = loss_of(theirs(causal, prefix, batch)[0], batch)
    loss = causal(prefix, batch).loss
    assert_close(loss, expected, rtol=1e-7, atol=1e-7)
    (ours,) = torch.autograd.grad(loss, prefix.prompts)
    assert_close(ours, torch.autograd.grad(expected, prefix.prompts)[0], rtol=1e-5, atol=1e-7)


def test_without_a_prompt_the_text_is_read_alone(causal, batch):
    assert_close(
        causal(None, batch).loss,
        loss_of(theirs(causal, None, batch)[0], batch),
        rtol=1e-7,
        atol=1e-7,
    )


def test_hidden_states_are_those_at_the_answers(causal, prefix, batch):
    layers = (1, -1)
    signals = causal(prefix, batch, decoder_layers=layers)
    _, hidden = theirs(causal, prefix, batch)
    for place, layer in enumerate(layers):
        for row, states in enumerate(hidden):
            found = signals.decoder_hidden[place][row, batch.labels[row] != IGNORED]
            assert_close(found, states[layer], rtol=1e-6, atol=1e-6)
    last = causal(prefix, batch, decoder_layers=(-1,)).decoder_hidden[0]
    assert_close(last, signals.decoder_hidden[1])


def test_labels_are_ranked_by_the_probability_of_all_their_tokens(causal, prefix):
    prompt = prefix.prompts[1].detach()
    encoded = causal.encode(TEXTS, ["no"] * 3, 50, 20)
    scores = label_scores(causal, prompt, encoded, LABELS, batch_size=2)
    for at, label in enumerate(LABELS):
        one = causal.encode(TEXTS, [label] * 3, 50, 20).batch([0, 1, 2], [0] * 3, "cpu")
        logits, _ = theirs(causal, Prefix(prompt[None], torch.tensor([0, 0, 0])), one)
        for row, said in enumerate(logits):
            ids = one.labels[row][one.labels[row] != IGNORED]
            expected = said.log_softmax(-1).gather(1, ids[:, None]).sum()
            assert_close(scores[row, at], expected.float(), rtol=1e-5, atol=1e-5)


def test_a_free_answer_is_the_greedy_one(causal, prefix):
    prompt = prefix.prompts[0].detach()
    encoded = causal.encode(TEXTS, ["no"] * 3, 50, 20)
    answers = decode(causal, prompt, encoded, 4, batch_size=3)
    for row, answer in enumerate(answers):
        embeds = torch.cat([prompt, causal.embed(encoded.input(row).long())])
        written = []
        for _ in range(4):
            logits = causal.model(inputs_embeds=embeds[None], use_cache=False).logits[0, -1]
            written.append(int(logits.argmax()))
            embeds = torch.cat([embeds, causal.embed(torch.tensor(written[-1:]))])
        text = causal.tokenizer.decode(written, skip_special_tokens=True)
        assert answer == text.partition("\n")[0].strip()


def test_each_different_prompt_of_a_batch_is_run_once(causal, prefix, batch):
    seen = []
    hook = causal.model.base_model.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(kwargs["inputs_embeds"].shape[:2]),
        with_kwargs=True,
    )
    causal(prefix, batch)
    hook.remove()
    read = int(batch.mask.sum() + (batch.labels != IGNORED).sum() - 3)  # not the last of a label
    padded = (3, batch.input_ids.shape[1] + batch.labels.shape[1] - 1)
    assert seen == [(1, 2 * P + read)] if causal.causal.packs else [(2, P), padded]


def test_only_a_model_with_an_attention_of_its_own_pads_its_rows(causal):
    assert causal.causal.packs == (causal.model.config.model_type != "bloom")


def test_an_encoder_layer_and_a_layer_that_is_not_there_are_refused(causal, prefix, batch):
    with pytest.raises(NoEncoder, match="decoder_layers"):
        causal(prefix, batch, encoder_layers=(-1,))
    with pytest.raises(UnknownLayer, match="no layer 9"):
        causal(prefix, batch, decoder_layers=(9,))


def test_a_window_that_does_not_reach_the_prompt_is_refused(make_causal):
    backbone = make_causal("mistral", sliding_window=8)
    batch = backbone.encode(["a good film"], ["no"], 50, 20).batch([0], [0], "cpu")
    prompt = Prefix(torch.zeros(1, 8, backbone.hidden_size), torch.tensor([0]))
    with pytest.raises(WindowTooShort, match="sliding window of 8"):
        backbone(prompt, batch)


def test_a_half_precision_backbone_passes_a_float32_gradient_to_a_float32_prompt(make_causal):
    half, full = make_causal("llama", torch.bfloat16), make_causal("llama")
    batch = full.encode(["a good film"], ["positive"], 50, 20).batch([0], [0], "cpu")
    prompt = torch.randn(1, P, full.hidden_size, requires_grad=True)
    loss = half(Prefix(prompt, torch.tensor([0])), batch).loss
    loss.backward()
    assert prompt.grad.dtype == loss.dtype == torch.float32
    assert_close(loss, full(Prefix(prompt, torch.tensor([0])), batch).loss, rtol=0.05, atol=0.05)


def test_a_long_input_is_cut_before_what_asks_for_an_answer(make_causal):
    backbone = make_causal("llama")
    whole = backbone.encode(["a good film " * 9], ["no"], 99, 9).input(0).tolist()
    cut = backbone.encode(["a good film " * 9], ["no"], 20, 9)
    kept = len(backbone.tokens([" answer:"])[0])
    assert cut.truncated == 1
    assert cut.input(0).tolist() == whole[: 20 - kept] + whole[-kept:]


def test_a_sliding_window_is_as_much_as_can_be_read(make_causal):
    assert make_causal("mistral", sliding_window=8).max_length == 8
    assert make_causal("mistral", sliding_window=None).max_length == 512
