"""Rows from a folder: four formats, and everything that may be wrong with a file."""

import csv
import gzip
import json
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

import tasks
from tasks.data import EmptySplit, load
from tasks.local import BadFile, MissingData, SeveralFiles
from tasks.rows import BadRow

RTE = tasks.get("rte")
ROWS = [
    {"sentence1": f'A "quoted", é{n}\nline', "sentence2": f"B {n} \u2028.", "label": n % 2}
    for n in range(12)
]
MULTIRC_ROWS = [
    {
        "paragraph": f"P {n // 3}",
        "question": "Q?",
        "answer": f"A {n}",
        "idx": {"paragraph": 0, "question": n // 3, "answer": n},
        "label": n % 2,
    }
    for n in range(12)
]
RECORD_ROWS = [
    {
        "passage": "P",
        "query": "@placeholder",
        "entities": ["Ann", "Bob"],
        "answers": ["Ann", "Bob"][: 1 + n % 2],
        "idx": {"passage": 0, "query": n},
    }
    for n in range(1_010)
]


def write(path: Path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    match path.name.split(".", 1)[1]:
        case "jsonl":
            path.write_text(lines, encoding="utf-8")
        case "jsonl.gz":
            path.write_bytes(gzip.compress(lines.encode()))
        case "parquet":
            parquet.write_table(pyarrow.Table.from_pylist(rows), path)
        case "csv":
            with path.open("w", encoding="utf-8-sig", newline="") as file:  # as Excel writes it
                writer = csv.DictWriter(file, rows[0])
                writer.writeheader()
                writer.writerows({k: cell(v) for k, v in row.items()} for row in rows)


def cell(value):
    return json.dumps(value) if isinstance(value, dict | list) else value


def folder(tmp_path, train=ROWS, validation=ROWS, task="rte", ending="jsonl"):
    write(tmp_path / task / f"train.{ending}", train)
    write(tmp_path / task / f"validation.{ending}", validation)
    return tmp_path


@pytest.mark.parametrize("ending", ["jsonl", "jsonl.gz", "csv", "parquet"])
@pytest.mark.parametrize(
    ("name", "rows"), [("rte", ROWS), ("multirc", MULTIRC_ROWS), ("record", RECORD_ROWS)]
)
def test_every_format_gives_the_same_examples_and_digest(tmp_path, name, rows, ending):
    task = tasks.get(name)
    plain = load(task, folder(tmp_path / "a", rows, rows, name))
    other = load(task, folder(tmp_path / "b", rows, rows, name, ending))
    assert other[:3] == plain[:3]
    for ours, theirs in zip(plain[:3], other[:3], strict=True):
        assert tasks.digest(task, ours) == tasks.digest(task, theirs)
    assert (other.revision, other.warnings) == (None, ())
    assert other.origin == str(tmp_path / "b" / name)


def test_the_short_file_is_taken_before_the_full_one(tmp_path):
    data = folder(tmp_path)
    write(data / "rte" / "train_full.jsonl.gz", ROWS * 2)
    assert len(load(RTE, data).train) == 12
    (data / "rte" / "train.jsonl").unlink()
    assert len(load(RTE, data).train) == 24


def test_one_split_in_several_formats_is_refused_by_name(tmp_path):
    data = folder(tmp_path)
    write(data / "rte" / "validation.csv", ROWS)
    with pytest.raises(SeveralFiles, match=r"\(validation.jsonl, validation.csv\): keep one"):
        load(RTE, data)


@pytest.mark.parametrize("there", ["nothing", "the folder", "only validation"])
def test_missing_training_rows_are_answered_with_what_was_looked_for(tmp_path, there):
    if there == "the folder":
        (tmp_path / "rte").mkdir()
    if there == "only validation":
        write(tmp_path / "rte" / "validation.jsonl", ROWS)
    with pytest.raises(MissingData) as caught:
        load(RTE, tmp_path / "no" if there == "nothing" else tmp_path)
    message = str(caught.value)
    assert "no train rows of 'rte'" in message
    assert "rte/train.(jsonl|jsonl.gz|csv|parquet), then train_full.(" in message
    assert "--data DIR" in message


def test_a_missing_split_is_carved_from_train_with_a_warning(tmp_path):
    many = [row | {"sentence1": f"S {n}"} for n, row in enumerate(ROWS * 100)]
    write(tmp_path / "rte" / "train.jsonl", many)
    data = load(RTE, tmp_path)
    assert (len(data.train), len(data.validation), len(data.test)) == (200, 500, 500)
    every = [example.input for part in data[:3] for example in part]
    assert len(set(every)) == 1_200
    (warning,) = data.warnings
    assert "'rte' has no split 'validation' here: the first 1,000" in warning


def test_an_empty_split_is_refused(tmp_path):
    with pytest.raises(EmptySplit, match=r"'rte' has no rows left for train .read: train 0, val"):
        load(RTE, folder(tmp_path / "a", train=[]))
    with pytest.raises(EmptySplit, match=r"left for validation .read: train 12, validation 1;"):
        load(RTE, folder(tmp_path / "b", validation=ROWS[:1]))
    few = [{"sentence": "x", "label": 0}] * 64
    with pytest.raises(EmptySplit, match=r"'sst2' has no rows left for train .read: train 64,"):
        load(tasks.get("sst2"), folder(tmp_path, few, few, "sst2"))


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ('{"sentence1": "a", "sentence2": "b", "label": 1}\n{oops\n', "row 2: not JSON"),
        ("[1, 2]\n", "row 1: not a JSON object"),
        ('\n{"sentence1": "a", "label": 1}\n', "row 2: it has no column sentence2; 'rte' needs it"),
        ('{"sentence1": "a", "sentence2": "b"}\n', "it has no column label"),
        ('{"sentence1": "a", "sentence2": "b", "label": null}\n', "'label' is missing"),
        ('{"sentence1": "a", "sentence2": "b", "label": -1}\n', "from 0 to 1 (0 entailment, 1"),
        ('{"sentence1": "a", "sentence2": "b", "label": 2}\n', "'label' is 2; it should be"),
        ('{"sentence1": ["a"], "sentence2": "b", "label": 1}\n', "'sentence1' is ['a']"),
    ],
)
def test_a_bad_json_row_is_named_with_file_row_and_reason(tmp_path, lines, says):
    data = folder(tmp_path)
    (data / "rte" / "train.jsonl").write_text(lines)
    with pytest.raises(BadRow) as caught:
        load(RTE, data)
    message = str(caught.value)
    assert str(data / "rte" / "train.jsonl") in message
    assert says in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("sentence1,label\na,1\n", "row 1: it has no column sentence2"),
        ("sentence1,sentence2,label\na,b,1\na,b\n", "row 2: not 3 cells"),
        ("sentence1,sentence2,label\na,b,1,c\n", "row 1: not 3 cells"),
        ("sentence1,sentence2,label\na,b,\n", "row 1: column 'label' is missing"),
        ("sentence1,sentence2,label\na,b,-1\n", "row 1: column 'label' is '-1'"),
        ("sentence1,sentence2,label\na,b,yes\n", "row 1: column 'label' is 'yes'"),
    ],
)
def test_a_bad_csv_row_is_named_with_file_row_and_reason(tmp_path, lines, says):
    data = folder(tmp_path, ending="csv")
    (data / "rte" / "train.csv").write_text(lines)
    with pytest.raises(BadRow) as caught:
        load(RTE, data)
    assert f"{data / 'rte' / 'train.csv'}, {says}" in str(caught.value)


def test_a_csv_with_a_column_of_row_numbers_is_read(tmp_path):
    data = folder(tmp_path, ending="csv")
    (data / "rte" / "train.csv").write_text(",sentence1,sentence2,label\n0,a,b,1\n")
    assert load(RTE, data).train[0].answers == ("not_entailment",)


def test_a_null_in_parquet_is_a_missing_label(tmp_path):
    data = folder(tmp_path, [*ROWS, ROWS[0] | {"label": None}], ending="parquet")
    with pytest.raises(BadRow, match=r"train.parquet, row 13: column 'label' is missing"):
        load(RTE, data)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("train.parquet", b"PAR1 no"),
        ("train.jsonl.gz", b"not zipped"),
        ("train.jsonl.gz", gzip.compress(json.dumps(ROWS[0]).encode() + b"\n", mtime=0)[:-12]),
        ("train.jsonl", b'{"sentence1": "\xff"}'),
        ("train.csv", b'sentence1,sentence2,label\n"a,b,1\n'),
    ],
)
def test_a_damaged_file_is_refused_by_name(tmp_path, name, content):
    (tmp_path / "rte").mkdir()
    (tmp_path / "rte" / name).write_bytes(content)
    with pytest.raises(BadFile, match=f"{name} cannot be read as {name.split('.', 1)[1]}: "):
        load(RTE, tmp_path)
