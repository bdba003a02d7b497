"""A user's own task: what its file may say, and how its rows read."""

import json

import pytest
import yaml

import tasks
from tasks.own.files import BadFile
from tasks.own.yaml_file import BadDefinition
from tasks.rows import BadCell, BadRow
from tasks.unlabelled import ask, columns

REVIEWS = {
    "name": "visits",
    "files": {"train": "visits.csv"},
    "template": "remark: {remark}",
    "answer": "mood",
    "labels": {"good": "positive", "bad": "negative"},
    "metric": "accuracy",
}
ROWS = [(f"remark {number}", ("good", "bad")[number % 2]) for number in range(20)]


@pytest.fixture
def define(tmp_path):
    """Write a task's file, with changes; return its path. None leaves a key out."""

    def write(**changes):
        values = {key: value for key, value in (REVIEWS | changes).items() if value is not None}
        path = tmp_path / "visits.yaml"
        path.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
        return str(path)

    return write


@pytest.fixture
def put(tmp_path):
    """Write rows, as CSV or as JSONL."""

    def write(rows=ROWS, columns=("remark", "mood"), name="visits.csv", encoding="utf-8"):
        if name.endswith("jsonl"):
            text = "".join(json.dumps(dict(zip(columns, row, strict=True))) + "\n" for row in rows)
        else:
            cells = [",".join(f'"{cell}"' for cell in row) for row in [columns, *rows]]
            text = "\n".join(cells) + "\n"
        (tmp_path / name).write_text(text, encoding=encoding)

    return write


def examples(path):
    data = tasks.load(tasks.find(path))
    return [*data.train, *data.validation, *data.test]


def answer_to(path, **cells):
    """Return what the model should write for one row."""
    return tasks.find(path).read(cells).answers[0]


def test_rows_read_as_the_template_and_the_labels_say(define, put):
    put()
    data = tasks.load(tasks.find(define()))
    assert (len(data.train), len(data.validation), len(data.test)) == (14, 3, 3)
    assert data.origin == "visits.csv"
    every = {(one.input, one.answers) for one in (*data.train, *data.validation, *data.test)}
    words = {"good": ("positive",), "bad": ("negative",)}
    assert every == {(f"remark: {text}", words[mood]) for text, mood in ROWS}
    for one in data.train:
        ((start, end),) = one.fields
        assert one.input[start:end] in {text for text, _ in ROWS}


def test_a_row_without_an_answer_reads_as_one_with_it(define):
    task = tasks.find(define(template="{title} / {remark}"))
    assert columns(task) == ("title", "remark")
    assert ask(task, {"title": None, "remark": " too loud "}) == " / too loud"
    assert ask(task, {"title": "a", "remark": 3, "mood": "unknown"}) == "a / 3"
    with pytest.raises(BadCell, match="text to read"):
        ask(task, {"title": "", "remark": None})


def test_rows_of_one_text_stay_in_one_split(define, put):
    put([("the same", "good")] * 7 + ROWS)
    data = tasks.load(tasks.find(define()))
    texts = [{one.input for one in part} for part in (data.train, data.validation, data.test)]
    assert not texts[0] & texts[1] | texts[0] & texts[2] | texts[1] & texts[2]


def test_files_of_their_own_are_validation_and_test(define, put):
    put()
    put(ROWS[:5], name="dev.csv")
    files = {"train": "visits.csv", "validation": "dev.csv"}
    data = tasks.load(tasks.find(define(files=files)))
    assert (len(data.train), len(data.validation), len(data.test)) == (17, 5, 3)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_an_encoding_and_a_delimiter_change_no_example(define, put, tmp_path, encoding):
    rows = [(f"crème brûlée {number}, warm", "good") for number in range(10)]
    put(rows)
    wanted = examples(define())
    lines = ["remark;mood", *(f"{text};{mood}" for text, mood in rows)]
    (tmp_path / "visits.csv").write_bytes("\r\n".join(lines).encode(encoding))
    said = "utf-8" if encoding == "utf-8-sig" else encoding
    assert examples(define(encoding=said, delimiter=";")) == wanted


def test_a_label_that_yaml_would_read_as_something_else_is_the_text_it_is(tmp_path, put):
    put([(f"remark {at}", ("no", "1.0", "null")[at % 3]) for at in range(9)])
    text = yaml.safe_dump(REVIEWS | {"labels": "LABELS"})
    (tmp_path / "x.yaml").write_text(text.replace("LABELS", "{no: off, 1.0: one, null: nothing}"))
    assert {one.answers[0] for one in examples(str(tmp_path / "x.yaml"))} == {
        "off", "one", "nothing",
    }  # fmt: skip


def test_a_multiple_choice_is_answered_by_letter_or_by_text(define):
    choices = {"choice1": "A", "choice2": "B"}
    asked = {"template": "{remark} choice1: {A} choice2: {B}", "choices": choices}
    row = {"remark": "What is red?", "A": "coal", "B": "a rose"}
    by_letter = define(**asked, labels={"A": "choice1", "B": "choice2"})
    assert answer_to(by_letter, **row, mood="B") == "choice2"
    by_text = define(**asked, labels=None)
    assert answer_to(by_text, **row, mood="a rose") == "choice2"
    with pytest.raises(ValueError, match="the text of one of 'A', 'B'"):
        answer_to(by_text, **row, mood="snow")


@pytest.mark.parametrize("said", [number / 7 for number in range(36)])
def test_numbers_are_rounded_as_those_of_stsb_are(define, said):
    path = define(labels=None, numbers={"low": 0, "high": 5, "step": 0.2}, metric="pearson")
    wanted = tasks.get("stsb").read({"sentence1": "", "sentence2": "", "label": said})
    assert (answer_to(path, remark="x", mood=said),) == wanted.answers


def test_free_text_has_one_answer_or_in_json_several(define, put):
    path = define(files={"train": "r.jsonl"}, labels=None, metric="exact_match")
    put([("one", "yes"), ("two", ["a", "b"]), ("three", "x")], name="r.jsonl")
    assert {one.answers for one in examples(path)} == {("yes",), ("a", "b"), ("x",)}


def test_a_template_takes_any_column_name_and_runs_nothing(define, put):
    strange = "Q1: how was it? (0.5)"
    put(columns=(strange, "mood"))
    found = examples(define(template=f"{{{{so}}}} {{{strange}}}!"))
    assert {one.input for one in found} == {f"{{so}} {text}!" for text, _ in ROWS}
    for code in ("{mood.__class__}", "{remark[0]}", "{remark!r}", "{remark:>9}"):
        with pytest.raises(BadFile, match="it has no column"):
            examples(define(template=code))


WRONG = {
    "a registered name": ({"name": "rte"}, "this name is taken"),
    "a word of lineage": ({"name": "multitask"}, "this name is taken"),
    "the name of a variant": ({"name": "rte-numbers"}, "this name is taken"),
    "a word of the command line": ({"name": "generate"}, "this name is taken"),
    "a path as name": ({"name": "../visits"}, "use 1 to 64 of a-z"),
    "sql as name": ({"name": "x'; DROP TABLE run; --"}, "use 1 to 64 of a-z"),
    "a control character": ({"name": "a\x1b[2Jb"}, "without control characters"),
    "an unknown key": ({"lables": {}}, "lables is not a key"),
    "no template": ({"template": None}, "template is not given"),
    "no column": ({"template": "remark:"}, "it names no column"),
    "an open brace": ({"template": "{remark"}, "a brace stands alone"),
    "the answer shown": ({"template": "{remark} {mood}"}, "the template shows the answer"),
    "one label": ({"labels": {"good": "x", "bad": "x"}}, "there is one label only"),
    "several labels": ({"labels": {"a": "x", "b": "y", "a;b": "z"}}, "a task with several labels"),
    "a metric of others": ({"metric": "pearson"}, "classification is scored by one of accuracy"),
    "two classes only": (
        {"metric": "mcc", "labels": {"a": "x", "b": "y", "c": "z"}}, "mcc is for two labels",
    ),
    "no such encoding": ({"encoding": "utf-9"}, "no such encoding"),
    "a codec that is none": ({"encoding": "zip"}, "no such encoding"),
    "two delimiters": ({"delimiter": "||"}, "delimiter is '||'"),
    "a file above": ({"files": {"train": "../visits.csv"}}, "in the folder of the task's own"),
    "a file elsewhere": ({"files": {"train": "/etc/passwd.csv"}}, "in the folder of the task's"),
    "the folder itself": ({"files": {"train": "./"}}, "in the folder of the task's own"),
    "a folder as dataset": (
        {"files": None, "hub": {"path": "../secrets"}}, "hub.path is '../secrets': write it as",
    ),
    "a deep path as dataset": ({"files": None, "hub": {"path": "a/b/c"}}, "owner/name"),
    "another kind of file": ({"files": {"train": "visits.xlsx"}}, "must end in .csv"),
    "files and hub": ({"hub": {"path": "a/b"}}, "give files or hub"),
    "a hidden choice": (
        {"choices": {"x": "remark", "y": "other"}, "labels": None}, "does not show the choice",
    ),
    "an endless range": (
        {"labels": None, "numbers": {"low": 0, "high": 5, "step": 1e-9}, "metric": "pearson"},
        "1 to 1,000 steps",
    ),
    "half of all rows": ({"held_out": 0.5}, "held_out is '0.5'"),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_definition_is_told_in_one_line(define, wrong):
    changes, said = WRONG[wrong]
    with pytest.raises(BadDefinition, match=said) as refused:
        tasks.find(define(**changes))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "text", ["", "- a", "{", "a: &x [1]\nb: *x\n", "a: 1\na: 2\n", "[" * 5000, "\x00", "\ufeff"]
)
def test_what_is_no_definition_is_told_in_one_line(tmp_path, text):
    (tmp_path / "x.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(BadDefinition):
        tasks.find(str(tmp_path / "x.yaml"))


WRONG_ROWS = {
    "remark,mood\na,good\nb,bda\n": "row 2: column 'mood' is 'bda'.*did you mean 'bad'",
    "remark,mood\na,good\nb,\n": "row 2: column 'mood' is missing",
    "remark,mood\na,good;bad\n": "row 1: .* one label: several labels a row are not supported",
    "remark,mood\n ,good\n": "row 1: column 'remark' is missing",
    "remark,mood\na,good,more\n": "row 1: it has 3 cells, and the header has 2",
    "remark;mood\na;good\n": "no column 'remark' .*is ',' the delimiter",
    "remark,remark,mood\na,b,good\n": "several columns are called 'remark'",
    'remark,mood\na,good\n"b,good\n': "line 3 is not CSV .*is a quote left open",
    "remark,mood\na,good\n\udce9,bad\n": "row 2: it holds bytes that are not utf-8",
    "": "no column 'remark' .it has no header",
}


@pytest.mark.parametrize("text", WRONG_ROWS)
def test_a_wrong_row_is_told_by_its_number(define, tmp_path, text):
    (tmp_path / "visits.csv").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises((BadRow, BadFile), match=f"^visits.csv.*{WRONG_ROWS[text]}") as refused:
        tasks.load(tasks.find(define()))
    assert "\n" not in str(refused.value)


def test_identity_follows_name_and_content_and_not_the_place(define):
    first = tasks.find(define()).identity
    same = {"files": {"train": "deep/other.jsonl"}, "encoding": "utf-16", "delimiter": ";"}
    assert tasks.find(define(**same)).identity == first
    for other in (
        {"name": "other"}, {"template": "{remark}"}, {"metric": "macro_f1"}, {"max_input": 64},
        {"labels": {"bad": "negative", "good": "positive"}}, {"held_out": 0.2},
    ):  # fmt: skip
        assert tasks.find(define(**other)).identity != first, other
