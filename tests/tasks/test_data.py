"""Examples of a task, and the identity of their content."""

import hashlib
from dataclasses import replace

import pytest

import tasks
from tasks.data import digest, load
from tasks.rows import BadRow
from tasks.splits import OWN
from tasks.task import Example, Generated

RTE = tasks.get("rte")
SOME = [Example("rte é", ("entailment",)), Example("b", ("not_entailment",), "g")]


def generated(task, splits):
    return replace(task, source=Generated(lambda seed, sizes: splits, 7, {}), splits=OWN)


def rows(count, mark=""):
    return [{"sentence1": f"{mark}{n}", "sentence2": "x", "label": n % 2} for n in range(count)]


def test_generated_rows_are_read_whatever_the_folder(tmp_path):
    task = generated(RTE, {"train": rows(3), "validation": rows(2, "v"), "test": rows(1, "t")})
    data = load(task, tmp_path)
    assert [example.input for example in data.train] == [
        f"rte sentence1: {n} sentence2: x" for n in range(3)
    ]
    assert (len(data.validation), len(data.test)) == (2, 1)
    assert (data.origin, data.revision, data.warnings) == ("generated, seed 7", None, ())


def test_a_bad_generated_row_is_named():
    broken = [*rows(2), {"sentence1": "a", "sentence2": "b", "label": 5}]
    task = generated(RTE, {"train": broken, "validation": rows(2), "test": rows(1)})
    with pytest.raises(BadRow, match="generated train, row 3: column 'label' is 5"):
        load(task)


def test_record_trains_on_every_answer_and_is_tested_on_one_example_with_all():
    record = tasks.get("record")
    row = {
        "passage": "P",
        "query": "@placeholder",
        "entities": [],
        "answers": ["Ann", "Bob", "Ann"],
    }
    queries = [row | {"idx": {"passage": 0, "query": n}} for n in range(2)]
    data = load(generated(record, dict.fromkeys(("train", "validation", "test"), queries)))
    assert [example.answers for example in data.train] == [("Ann",), ("Bob",)] * 2
    assert [example.answers for example in data.test] == [("Ann", "Bob")] * 2
    assert [example.group for example in data.test] == ["0-0", "0-1"]


def test_the_digest_is_pinned():
    # Part of every recorded identity: a change here orphans every data set in lineage.
    lines = (
        b'[["entailment","not_entailment"],["accuracy"]]\n'
        b'["rte \\u00e9",["entailment"],""]\n'
        b'["b",["not_entailment"],"g"]\n'
    )
    assert digest(RTE, SOME) == hashlib.sha256(lines).hexdigest()


@pytest.mark.parametrize(
    "other",
    [
        SOME[::-1],
        SOME[:1],
        [SOME[0], SOME[1]._replace(group="h")],
        [SOME[0]._replace(answers=("not_entailment",)), SOME[1]],
        [SOME[0]._replace(input="rte e"), SOME[1]],
    ],
)
def test_other_content_has_another_digest(other):
    assert digest(RTE, other) != digest(RTE, SOME)


def test_labels_and_metrics_are_part_of_the_digest_and_the_name_is_not():
    assert digest(replace(RTE, name="other"), SOME) == digest(RTE, SOME)
    assert digest(replace(RTE, labels=RTE.labels[::-1]), SOME) != digest(RTE, SOME)
    assert digest(replace(RTE, metrics={"f1": RTE.metrics["accuracy"]}), SOME) != digest(RTE, SOME)


def test_half_a_surrogate_pair_has_a_digest():
    assert len(digest(RTE, [Example("\ud800", ("entailment",))])) == 64
