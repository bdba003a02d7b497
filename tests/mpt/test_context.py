"""What each token of a context is, told from where its characters stand."""

import pytest

from mpt.context import Role, SameFirstToken, Shot, build, check_first_tokens
from mpt.text_form import MergedLabel

SHOTS = [
    Shot("sentence: a good film", [(10, 21)], "positive"),
    Shot("sentence: the worst film I ever saw", [(10, 35)], "no"),
]
ROLES = {
    Role.INPUT_FORMAT: "sentence:sentence:",
    Role.INPUT: "agoodfilmtheworstfilmIeversaw",
    Role.OUTPUT_FORMAT: "answer:answer:",
    Role.LABEL: "positiveno",
    Role.NONE: "",
}


def text_of(backbone, context, keep):
    ids = [t for t, kept in zip(context.ids.tolist(), keep.tolist(), strict=True) if kept]
    return "".join(backbone.tokenizer.decode(ids).split())


@pytest.fixture(params=["llama", "gpt2", "bloom"])
def backbone(request, make_causal):
    return make_causal(request.param)


@pytest.mark.parametrize(("role", "text"), ROLES.items())
def test_each_role_is_the_text_that_plays_it(backbone, role, text):
    context = build(backbone, SHOTS)
    assert text_of(backbone, context, context.roles == role) == text


def test_the_context_is_the_examples_one_after_another(backbone):
    context = build(backbone, SHOTS)
    whole = "".join(f"{s.text} answer: {s.label}\n" for s in SHOTS)
    assert backbone.tokenizer.decode(context.ids) == whole
    assert context.num_examples == 2
    for at, shot in enumerate(SHOTS):
        mine = f"{shot.text} answer: {shot.label}"
        assert text_of(backbone, context, context.examples == at) == mine.replace(" ", "")


def test_an_input_whose_words_are_not_told_is_all_words(backbone):
    context = build(backbone, [Shot("a good film", (), "no")])
    assert text_of(backbone, context, context.roles == Role.INPUT) == "agoodfilm"
    assert not (context.roles == Role.INPUT_FORMAT).any()


def test_a_context_ends_as_a_query_goes_on(backbone):
    query = backbone.encode_next(["a good film"], ["no"], 50, 9)
    context = build(backbone, [Shot("a good film", (), "no")])
    ids = context.ids[len(backbone.begin) :].tolist()
    asked = query.input(0).tolist()
    assert ids[: len(asked)] == asked
    answer = query.answer(0).tolist()
    assert ids[len(asked) : len(asked) + len(answer)] == answer


def test_a_model_whose_texts_begin_with_a_token_gets_it_once(make_causal, make_beginning):
    backbone = make_beginning(make_causal("llama"))
    context = build(backbone, SHOTS)
    assert context.ids[0] == 1
    assert context.roles[0] == Role.NONE
    assert (context.ids == 1).sum() == 1
    assert backbone.encode(["a good film"], ["no"], 50, 9).input(0)[0] == 1
    assert backbone.encode_next(["a good film"], ["no"], 50, 9).input(0)[0] != 1


def test_a_tokenizer_that_merges_label_and_format_is_refused(make_causal, make_merging):
    backbone = make_merging(make_causal("llama"))
    with pytest.raises(MergedLabel, match="merges the label 'no' with its format"):
        build(backbone, [Shot("a good film", (), "no")])
    with pytest.raises(MergedLabel, match="merges the label 'no'"):
        backbone.label_ids(["no"])


def test_labels_that_begin_alike_are_refused(backbone):
    check_first_tokens(backbone, ["negative", "maybe"])
    with pytest.raises(SameFirstToken, match="'maybe' and 'maybe not' begin with the same token"):
        check_first_tokens(backbone, ["maybe", "negative", "maybe not"])
