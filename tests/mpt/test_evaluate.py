import pytest
import torch
from torch.testing import assert_close

from mpt.evaluate import decode, label_scores, rank
from mpt.prompt import Prefix, prepend

INPUTS = ["a good film", "the worst film I ever saw, and the longest", "", "maybe", "great"]
LABELS = ["positive", "no", "", "a great one"]
P = 3


@pytest.fixture
def prompt(backbone, generator):
    return torch.randn(P, backbone.hidden_size, generator=generator)


@pytest.fixture
def encoded(backbone):
    return backbone.encode(INPUTS, [""] * len(INPUTS), max_input=40, max_answer=8)


def one_row(backbone, encoded, row, prompt):
    embeds = backbone.model.shared(encoded.input(row).long().unsqueeze(0))
    return embeds if prompt is None else torch.cat([prompt.unsqueeze(0), embeds], dim=1)


def slow_scores(backbone, encoded, prompt):
    """One whole forward for each example and label, without padding, cache or batch."""
    scores = torch.zeros(len(INPUTS), len(LABELS))
    for row in range(len(INPUTS)):
        embeds = one_row(backbone, encoded, row, prompt)
        for column, label in enumerate(LABELS):
            ids = backbone.tokenizer(label, return_tensors="pt")["input_ids"]
            out = backbone.model(inputs_embeds=embeds, labels=ids)
            scores[row, column] = -out.loss * ids.shape[1]
    return scores


@pytest.mark.parametrize("prompted", [True, False])
@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_scores_are_those_of_one_forward_for_each_label(
    backbone, encoded, prompt, prompted, batch_size
):
    prompt = prompt if prompted else None
    got = label_scores(backbone, prompt, encoded, LABELS, batch_size)
    expected = slow_scores(backbone, encoded, prompt)
    assert_close(got, expected.detach(), rtol=1e-4, atol=1e-4)
    best = [LABELS[i] for i in expected.argmax(dim=1)]
    assert rank(backbone, prompt, encoded, LABELS, batch_size) == best


def test_the_first_of_equal_labels_is_the_answer(backbone, encoded, prompt):
    assert rank(backbone, prompt, encoded, ["no", "no"], 2) == ["no"] * len(INPUTS)


def test_a_prompt_can_change_the_answer(backbone, encoded, generator):
    letters = ["a", "o", "i"]  # one token each: else the shortest label would always win
    answers = {
        tuple(rank(backbone, prompt, encoded, letters, 5))
        for prompt in torch.randn(20, P, backbone.hidden_size, generator=generator)
    }
    assert len(answers) > 1


@pytest.mark.parametrize("batch_size", [1, 2, 5])
@pytest.mark.parametrize("prompted", [True, False])
def test_decoding_is_hugging_faces_greedy_search_row_by_row(
    backbone, encoded, prompt, prompted, batch_size
):
    prompt = prompt if prompted else None
    expected = []
    for row in range(len(INPUTS)):
        ids = backbone.model.generate(
            inputs_embeds=one_row(backbone, encoded, row, prompt),
            max_new_tokens=6,
            num_beams=1,
            do_sample=False,
        )
        expected.append(backbone.tokenizer.decode(ids[0], skip_special_tokens=True).strip())
    assert decode(backbone, prompt, encoded, 6, batch_size) == expected
    assert len(set(expected)) > 1


def test_the_first_logits_of_training_are_the_first_scores_of_decoding(backbone, encoded, prompt):
    batch = encoded.batch([0, 1], [0, 0], "cpu")
    prompts = prompt.expand(2, -1, -1)
    trained = backbone(Prefix(prompts, torch.arange(len(prompts))), batch).logits[:, 0]
    embeds, mask = prepend(prompts, backbone.embed(batch.input_ids), batch.mask)
    out = backbone.model.generate(
        inputs_embeds=embeds,
        attention_mask=mask,
        max_new_tokens=2,
        output_scores=True,
        return_dict_in_generate=True,
    )
    assert_close(trained, out.scores[0])


def test_defaults_that_came_with_the_checkpoint_do_not_change_the_answers(
    make_model, make_backbone, tokenizer
):
    model = make_model()
    model.generation_config.num_beams = 4
    model.generation_config.repetition_penalty = 5.0
    backbone, plain = type(make_backbone())(model, tokenizer), make_backbone()
    encoded = plain.encode(INPUTS, [""] * len(INPUTS), 40, 8)
    assert decode(backbone, None, encoded, 6, 2) == decode(plain, None, encoded, 6, 2)


def test_no_examples_have_no_answers(backbone, prompt):
    nothing = backbone.encode([], [], 40, 8)
    assert rank(backbone, prompt, nothing, LABELS, 4) == []
    assert decode(backbone, prompt, nothing, 6, 4) == []


def test_evaluating_leaves_no_graph_behind(backbone, encoded, prompt):
    prompt = prompt.requires_grad_()
    assert not label_scores(backbone, prompt, encoded, LABELS, 5).requires_grad
