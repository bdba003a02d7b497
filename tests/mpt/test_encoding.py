import torch
from torch.testing import assert_close

from mpt.encoding import mixed_batch

INPUTS = ["a good film", "", "the worst film I ever saw, and the longest"]
ANSWERS = ["positive", "maybe", "negative"]


def test_a_batch_is_what_the_tokenizer_itself_would_pad(backbone):
    encoded = backbone.encode(INPUTS, ANSWERS, max_input=100, max_answer=100)
    batch = encoded.batch([2, 0], [0, 5], "cpu")

    x = backbone.tokenizer([INPUTS[2], INPUTS[0]], return_tensors="pt", padding=True)
    y = backbone.tokenizer([ANSWERS[2], ANSWERS[0]], return_tensors="pt", padding=True)
    assert batch.input_ids.equal(x["input_ids"])
    assert batch.mask.equal(x["attention_mask"])
    assert batch.labels.equal(y["input_ids"].masked_fill(y["attention_mask"] == 0, -100))
    assert batch.task_ids.tolist() == [0, 5]
    assert {column.dtype for column in batch} == {torch.int64}


def test_a_long_text_is_cut_keeps_its_end_of_sequence_and_is_counted(backbone):
    whole = backbone.encode(INPUTS, ANSWERS, max_input=100, max_answer=100)
    short = backbone.encode(INPUTS, ANSWERS, max_input=8, max_answer=3)
    assert (whole.truncated, whole.truncated_answers) == (0, 0)
    assert short.truncated == sum(length > 8 for length in whole.lengths()) > 0
    assert short.truncated_answers == sum(len(whole.answer(row)) > 3 for row in range(3))
    assert short.input(2).tolist() == [
        *whole.input(2)[:7].tolist(),
        backbone.model.config.eos_token_id,
    ]


def test_an_empty_text_is_one_end_of_sequence(backbone):
    encoded = backbone.encode(INPUTS, ANSWERS, max_input=8, max_answer=8)
    assert encoded.input(1).tolist() == [backbone.model.config.eos_token_id]


def test_no_examples_are_no_rows(backbone):
    assert len(backbone.encode([], [], max_input=8, max_answer=8)) == 0


def test_a_mixed_batch_takes_each_row_from_its_task(backbone):
    parts = [backbone.encode(INPUTS[k:], ANSWERS[k:], 100, 100) for k in range(2)]
    batch = mixed_batch(parts, [(1, 0), (0, 0)], "cpu")
    rows = parts[0].batch([1, 0], [1, 0], "cpu")  # task 1 begins at the second text
    assert_close(batch, rows)


def test_a_padding_token_written_in_the_text_is_still_read(backbone):
    encoded = backbone.encode(["a <pad> b"], ["maybe"], 100, 100)
    batch = encoded.batch([0], [0], "cpu")
    assert (batch.input_ids == 0).any()
    assert batch.mask.all()
