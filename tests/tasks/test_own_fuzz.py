"""Whatever a user's files hold, what is wrong is told in one of our errors, and in one line."""

import string

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import tasks
from tasks.own.files import BadFile
from tasks.own.propose import NoAnswer, propose
from tasks.own.survey import survey
from tasks.own.task import load
from tasks.own.yaml_file import BadDefinition
from tasks.rows import BadRow

OURS = (BadDefinition, BadFile, BadRow, NoAnswer, tasks.data.EmptySplit)
FUZZ = settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
GOOD = {
    "name": "fuzz", "files": {"train": "rows.csv"}, "template": "{text}", "answer": "label",
    "labels": {"a": "good", "b": "bad"}, "metric": "accuracy",
}  # fmt: skip
KEYS = [*GOOD, "held_out", "encoding", "delimiter", "choices", "numbers", "max_input"]
MARKS = st.text(alphabet=string.ascii_letters + ",;\t\n\r\"'{}[]:|\0\x1b\ud800é ./\\", max_size=60)
CELLS = st.text(alphabet='ab,;\n" éx\0', max_size=6)
ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), MARKS, st.lists(MARKS, max_size=3),
    st.dictionaries(MARKS, MARKS, max_size=3),
)  # fmt: skip


def one_line(error):
    """Hold that a message can be printed as it is."""
    assert str(error).isprintable(), error


def refused_or_right(path):
    """Hold that `check` and training agree about a task, and that each says so in one line."""
    try:
        task = load(path)
    except BadDefinition as error:
        one_line(error)
        return
    found = survey(task, None)
    assert all(one.message.isprintable() for one in found.findings)
    try:
        data = tasks.load(task)
    except OURS as error:
        one_line(error)
        refused = True
    else:
        refused = False
        assert data.train
        assert data.validation
        assert data.test
    assert bool(found.errors) == refused


@FUZZ
@given(data=st.binary(max_size=200), ending=st.sampled_from(["csv", "tsv", "jsonl", "parquet"]))
@example(data=b"text,label\n\xff,a\n", ending="csv")
@example(data=b'{"text": "\\ud800", "label": "a"}', ending="jsonl")
@example(data=b"[" * 100_000, ending="jsonl")
@example(data=b'text,label\n"' + b"x" * 140_000, ending="csv")
def test_random_bytes_as_rows(tmp_path, data, ending):
    (tmp_path / f"rows.{ending}").write_bytes(data)
    files = {"files": {"train": f"rows.{ending}"}}
    (tmp_path / "x.yaml").write_text(yaml.safe_dump(GOOD | files))
    refused_or_right(tmp_path / "x.yaml")
    try:
        text = propose(tmp_path / f"rows.{ending}", tmp_path / "new.yaml", None)
    except OURS as error:
        one_line(error)
    else:
        assert yaml.safe_load(text)


@FUZZ
@given(st.lists(st.tuples(CELLS, CELLS), max_size=12), st.sampled_from(["", "\r"]))
def test_random_cells(tmp_path, rows, end):
    lines = [f'"{cell.replace(chr(34), 2 * chr(34))}",{label}' for cell, label in rows]
    (tmp_path / "rows.csv").write_text(f"{end}\n".join(["text,label", *lines]), newline="")
    (tmp_path / "x.yaml").write_text(yaml.safe_dump(GOOD))
    refused_or_right(tmp_path / "x.yaml")


@FUZZ
@given(st.text(max_size=200))
@example("name: \ud800")
def test_random_text_as_a_definition(tmp_path, text):
    (tmp_path / "x.yaml").write_bytes(text.encode("utf-8", "surrogatepass"))
    refused_or_right(tmp_path / "x.yaml")


@FUZZ
@given(st.dictionaries(st.sampled_from(KEYS), ODD, max_size=3))
def test_random_values_in_a_definition(tmp_path, values):
    (tmp_path / "rows.csv").write_text("text,label\n" + "".join(f"t{i},a\n" for i in range(20)))
    (tmp_path / "x.yaml").write_text(yaml.safe_dump(GOOD | values), encoding="utf-8")
    refused_or_right(tmp_path / "x.yaml")


@FUZZ
@given(MARKS)
@example("../../etc/passwd")
@example("'; DROP TABLE run; --")
@example("a/../b")
@example("con\n")
def test_no_name_leaves_the_data_folder(tmp_path, name):
    if name not in tasks.names():
        with pytest.raises((tasks.UnknownTask, BadDefinition)) as refused:
            tasks.find(name)
        one_line(refused.value)
    (tmp_path / "x.yaml").write_text(yaml.safe_dump(GOOD | {"name": name}), encoding="utf-8")
    try:
        task = load(tmp_path / "x.yaml")
    except BadDefinition as error:
        one_line(error)
    else:
        assert set(task.name) <= set(string.ascii_lowercase + string.digits + "_-")
