"""Tokens of many examples are made once, and found again only for what they were made of."""

import pytest
import torch
from torch.testing import assert_close

from pipelines.inputs import KEPT_FROM, TaskInput

ROWS = KEPT_FROM + 5


@pytest.fixture
def given(tmp_path):
    return TaskInput.open("mini_review", None, tmp_path / "tokens")


@pytest.fixture
def examples(given):
    return given.examples("train", ROWS)


@pytest.fixture
def backbone(svc, specs):
    return svc.backbone(specs.backbone, "float32")


def tensors(encoded):
    return {name: value for name, value in vars(encoded).items() if torch.is_tensor(value)}


def test_tokens_that_are_found_are_those_that_were_made(given, examples, backbone, monkeypatch):
    made = given.encode(backbone, examples, 9)
    monkeypatch.setattr(type(backbone), "encode", None)  # it cannot be called any more
    found = TaskInput.open("mini_review", None, given.cache).encode(backbone, examples, 9)
    assert_close(tensors(found), tensors(made), rtol=0, atol=0)
    assert (found.truncated, found.pad) == (made.truncated, made.pad)
    assert made.truncated > 0


def test_another_length_other_examples_or_another_tokenizer_are_another_file(
    given, examples, backbone, svc, request
):
    files = []
    other = svc.backbone(request.getfixturevalue("tiny_lm"), "float32")
    for of, some, limit in (
        (backbone, examples, None), (backbone, examples, 9), (backbone, examples[1:], None),
        (other, examples, None),
    ):  # fmt: skip
        given.encode(of, some, limit)
        files.append(len(list(given.cache.iterdir())))
    given.encode(other, examples, None, behind_context=True)
    assert files == [1, 2, 3, 4]
    assert len(list(given.cache.iterdir())) == 5


def test_few_examples_are_not_kept(given, examples, backbone):
    given.encode(backbone, examples[: KEPT_FROM - 1], None)
    assert not given.cache.exists()


@pytest.mark.parametrize("damage", [lambda data: data[:-100], lambda data: b"", lambda data: b"x"])
def test_a_broken_file_is_made_again(damage, given, examples, backbone):
    whole = given.encode(backbone, examples, None)
    (file,) = given.cache.iterdir()
    data = file.read_bytes()
    file.write_bytes(damage(data))
    assert_close(tensors(given.encode(backbone, examples, None)), tensors(whole), rtol=0, atol=0)
    assert file.read_bytes() == data
