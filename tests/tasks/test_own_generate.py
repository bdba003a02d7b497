"""Generated tasks of any size and seed, as tasks of one's own."""

import hashlib

import pytest

import tasks
from tasks.mini.generate import SIZES
from tasks.own.generate import NotGenerated, generate
from tasks.own.yaml_file import BadDefinition

SMALL = {"train": 30, "validation": 5, "test": 6}


def written(name, seed, sizes, to):
    for file, text in generate(name, seed, sizes, to).items():
        file.write_text(text, encoding="utf-8", newline="\n")
    return tasks.find(str(to))


@pytest.mark.parametrize(
    "name", [one.name for one in tasks.all_tasks() if isinstance(one.source, tasks.Generated)]
)
def test_the_built_in_seed_and_sizes_give_the_built_in_rows(name, tmp_path):
    ours, theirs = tasks.get(name), written(name, 42, SIZES, tmp_path / "mine.yaml")
    assert (theirs.name, theirs.labels, theirs.max_input) == ("mine", ours.labels, ours.max_input)
    for one, other in zip(tasks.load(ours)[:3], tasks.load(theirs)[:3], strict=True):
        assert tasks.digest(ours, one) == tasks.digest(theirs, other)


def test_the_same_seed_is_the_same_bytes_for_ever(tmp_path):
    texts = generate("set_classification", 7, SMALL, tmp_path / "sets_7.yaml")
    assert [file.name for file in texts] == [
        "sets_7.train.jsonl", "sets_7.validation.jsonl", "sets_7.test.jsonl", "sets_7.yaml",
    ]  # fmt: skip
    rows = list(texts.values())[:3]  # the YAML file has comments, which may change
    assert [hashlib.sha256(text.encode()).hexdigest()[:16] for text in rows] == [
        "af16dd0e4b855dbb", "f81eb74c6c299fe0", "7bd400d6ec54ccfc",
    ]  # fmt: skip
    assert texts == generate("set_classification", 7, SMALL, tmp_path / "sets_7.yaml")
    other = generate("set_classification", 8, SMALL, tmp_path / "sets_7.yaml")
    assert not set(other.values()) & set(texts.values())


def test_any_size_is_made_and_a_variant_too(tmp_path):
    task = written("mini_trade-numbers", 3, {**SMALL, "train": 3_000}, tmp_path / "many.yaml")
    data = tasks.load(task)
    assert [len(part) for part in data[:3]] == [3_000, 5, 6]
    assert {one.answers[0] for one in data.train} == {"0", "1", "2", "3"}
    assert len({one.input for part in data[:3] for one in part}) == 3_011


def test_what_cannot_be_generated_is_told(tmp_path):
    with pytest.raises(NotGenerated, match="the rows of 'rte' are not generated: give one of mini"):
        generate("rte", 1, SMALL, tmp_path / "x.yaml")
    with pytest.raises(tasks.UnknownTask):
        generate("mini_dead", 1, SMALL, tmp_path / "x.yaml")
    with pytest.raises(BadDefinition, match=r"must end in \.yaml"):
        generate("mini_deed", 1, SMALL, tmp_path / "x.txt")
