"""Looking at a user's rows: what is proposed for a file, and what is told of all its rows."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

import tasks
from tasks.own.definition import Definition
from tasks.own.files import BadFile
from tasks.own.look import delimiter_of, encoding_of
from tasks.own.propose import NoAnswer, propose
from tasks.own.seen import Ruler
from tasks.own.survey import survey
from tasks.own.task import load
from tasks.own.yaml_file import BadDefinition

ROOT = Path(__file__).parents[2]
WORDS = Ruler("words", 512, lambda texts: [len(text.split()) for text in texts])


def write(path, rows, delimiter=",", encoding="utf-8"):
    """Write a file; the first of `rows` is the header."""
    if path.suffix == ".jsonl":
        header, *rest = rows
        lines = [json.dumps(dict(zip(header, row, strict=True))) for row in rest]
    else:
        lines = [delimiter.join(f'"{cell}"' for cell in row) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding=encoding)
    return path


def proposed(file, answer=None):
    """Return what `tasks new` writes for a file, as a definition."""
    to = file.parent / "my_task.yaml"
    to.write_text(propose(file, to, answer), encoding="utf-8")
    return Definition.load(to)


def told(folder):
    """Return what `tasks check` says of the task that was written, by level."""
    found = survey(load(folder / "my_task.yaml"), WORDS)
    return {
        level: [one.message for one in found.findings if one.level == level]
        for level in ("error", "warning")
    }


MOODS = [["id", "remark", "mood"]] + [
    [at, f"it was {('fine', 'poor')[at % 2]}, visit {at}", ("good", "bad")[at % 2]]
    for at in range(40)
]
PAIRS = [["left", "right", "score"]] + [
    [f"a sentence {at}", f"another one {at}", f"{at % 11 / 2.2:.2f}"] for at in range(60)
]
CHOICES = [["question", "option_a", "option_b", "option_c", "correct"]] + [
    [f"what is number {at}?", f"one {at}", f"two {at}", f"three {at}", "ABC"[at % 3]]
    for at in range(30)
]
BY_TEXT = [CHOICES[0]] + [[*row[:4], row[1 + at % 3]] for at, row in enumerate(CHOICES[1:])]
ASKED = [["passage", "question", "answer"]] + [
    [f"Ann has {at} hens and no cow.", "how many hens?", f"{at} hens of hers"] for at in range(30)
]


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_labels_are_proposed_for_a_column_of_few_values(tmp_path, ending):
    file = tmp_path / f"visits.{ending}"
    if ending == "parquet":
        columns = dict(zip(MOODS[0], zip(*MOODS[1:], strict=True), strict=True))
        parquet.write_table(pyarrow.table({k: list(v) for k, v in columns.items()}), file)
    else:
        write(file, MOODS)
    found = proposed(file)
    assert (found.name, found.kind, found.metric) == ("my_task", "classification", "accuracy")
    assert (found.template, found.answer) == ("remark: {remark}", "mood")
    assert found.labels == {"bad": "bad", "good": "good"}
    assert told(tmp_path) == {"error": [], "warning": []}


def test_a_pair_with_a_score_is_a_regression_in_steps(tmp_path):
    found = proposed(write(tmp_path / "pairs.tsv", PAIRS, "\t", "utf-16"))
    assert (found.kind, found.encoding, found.delimiter) == ("regression", "utf-16", "\t")
    assert found.template == "left: {left} right: {right}"
    assert (found.numbers.low, found.numbers.high, found.numbers.step) == (0, 5, 0.2)
    assert told(tmp_path)["error"] == []


@pytest.mark.parametrize(("rows", "answer"), [(CHOICES, "ABC"), (BY_TEXT, "")])
def test_columns_of_choices_are_a_multiple_choice(tmp_path, rows, answer):
    found = proposed(write(tmp_path / "quiz.csv", rows, ";"))
    assert (found.kind, list(found.labels)) == ("multiple choice", list(answer))
    assert found.template == (
        "question: {question} choice1: {option_a} choice2: {option_b} choice3: {option_c}"
    )
    assert told(tmp_path)["error"] == []


def test_answers_that_hardly_repeat_are_free_text(tmp_path):
    found = proposed(write(tmp_path / "asked.csv", ASKED))
    assert (found.kind, found.metric) == ("free text", "f1")
    assert found.template == "passage: {passage} question: {question}"
    assert told(tmp_path)["error"] == []


@pytest.mark.parametrize(
    ("text", "encoding"),
    [("l’été à la plage, très bon", "cp1252"), ("очень хороший фильм и отличная игра", "utf-8"),
     ("ganz schön gut, für Mäuse", "utf-16"), ("plain words", "utf-8")],
)  # fmt: skip
def test_the_encoding_is_found(tmp_path, text, encoding):
    file = write(tmp_path / "x.csv", [["text", "label"], [text, "a"]] * 20, encoding=encoding)
    assert encoding_of(file) == encoding


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_among_the_marks_of_running_text(tmp_path, delimiter):
    rows = [["text", "label"]] + [["one, two; three | four, and so; on", "a"]] * 9
    file = write(tmp_path / "x.csv", rows, delimiter)
    assert delimiter_of(file, "utf-8") == delimiter


def test_words_that_python_reads_as_numbers_are_words(tmp_path):
    rows = [["text", "label"]] + [[f"a b {at}", ("nan", "inf")[at % 2]] for at in range(20)]
    assert proposed(write(tmp_path / "odd.csv", rows)).labels == {"inf": "inf", "nan": "nan"}
    unlike = [["text", "score"]] + [[f"a b {at}", at * 1e300] for at in range(80)]
    with pytest.raises(BadDefinition, match="numbers"):
        proposed(write(tmp_path / "huge.csv", unlike))


def test_what_cannot_be_proposed_is_told(tmp_path):
    several = [["text", "tags"], ["a b", "x;y"], ["c d", "x"], ["e f", "y"], ["g h", "y;x"]] * 5
    with pytest.raises(NoAnswer, match=r"holds several labels in a cell .*not supported"):
        proposed(write(tmp_path / "tags.csv", several))
    with pytest.raises(NoAnswer, match="holds several labels in a cell"):
        proposed(
            write(
                tmp_path / "t.jsonl", [["text", "tags"], ["a b", ["x", "y"]]] + [["c", ["x"]]] * 9
            )
        )
    with pytest.raises(NoAnswer, match="has no column 'modo', it has 'id', 'remark', 'mood'"):
        proposed(write(tmp_path / "visits.csv", MOODS), "modo")
    unclear = [["one", "two"]] + [[f"text {at}", f"other {at}"] for at in range(20)]
    with pytest.raises(NoAnswer, match="which column is the answer"):
        proposed(write(tmp_path / "two.csv", unclear))
    with pytest.raises(BadFile, match="no rows below a header"):
        proposed(write(tmp_path / "empty.csv", MOODS[:1]))
    with pytest.raises(BadDefinition, match="in the folder of its rows"):
        propose(tmp_path / "visits.csv", tmp_path / "below" / "x.yaml", None)


def test_bad_rows_are_told_one_by_one_and_the_rest_is_counted(tmp_path):
    file = write(tmp_path / "visits.csv", MOODS)
    proposed(file)
    write(file, [*MOODS, [40, "", "good"], [41, "x y", "goood"], *[[42, "z", ""]] * 40])
    errors = told(tmp_path)["error"]
    assert errors[0].startswith("visits.csv, row 41: column 'remark' is missing")
    assert "row 42: column 'mood' is 'goood'" in errors[1]
    assert "did you mean 'good'?" in errors[1]
    assert len(errors) == 21
    assert errors[-1] == "visits.csv: 22 more rows are bad in such ways"


def test_rows_that_repeat_leak_or_are_too_long_are_warned_of(tmp_path):
    rows = [*MOODS, MOODS[3], [99, MOODS[5][1], "bad"], [100, "long " * 70, "good"]]
    definition = proposed(write(tmp_path / "visits.csv", rows))
    write(tmp_path / "test.csv", [MOODS[0], [1, "unseen", "good"], MOODS[7]])
    values = (
        (tmp_path / "my_task.yaml")
        .read_text()
        .replace("train: visits.csv", "train: visits.csv\n  test: test.csv")
    )
    (tmp_path / "my_task.yaml").write_text(values + "max_input: 60\n")
    assert definition.max_input == 256
    assert told(tmp_path) == {
        "error": [],
        "warning": [
            "visits.csv: 2 rows repeat the text of an earlier row, as row 41 does of 3",
            "visits.csv: 1 rows repeat the text of an earlier row, and have another answer, as row "
            "42 does of 5",
            "visits.csv: 1 of 43 inputs are longer than max_input, 60 tokens of words, and will be "
            "cut; the longest is row 43 with 71",
            "test.csv: 1 rows have a text that visits.csv has too, as row 2 that of its row 7: "
            "scores on them say little",
        ],
    }


def test_labels_that_are_rare_or_never_there_are_warned_of(tmp_path):
    rare = [[at, f"remark {at}", "good" if at else "bad"] for at in range(40)]
    file = write(tmp_path / "visits.csv", [MOODS[0], *rare])
    assert proposed(file).metric == "macro_f1"
    (warning,) = told(tmp_path)["warning"]
    assert "39 rows are 'good', and 1 'bad'" in warning
    assert warning.endswith("the first 'bad' is row 1")
    write(file, [MOODS[0], *rare[1:]])
    assert "visits.csv: no row has the label 'bad'" in told(tmp_path)["warning"]


def test_answers_that_are_cut_or_always_the_same_are_warned_of_with_a_row(tmp_path):
    file = write(tmp_path / "asked.csv", ASKED)
    assert proposed(file).max_answer == 32
    long = ["a passage", "what is long?", "word " * 40]
    write(file, [*ASKED, long])
    assert told(tmp_path)["warning"] == [
        "asked.csv: 1 answers are longer than max_answer, 32 tokens of words, and will be cut; the "
        "longest is row 31 with 40"
    ]
    write(file, [ASKED[0], *[[*row[:1], f"{at}?", "a hen"] for at, row in enumerate(ASKED[1:])]])
    (warning,) = told(tmp_path)["warning"]
    assert warning == "asked.csv: all rows have the answer of row 1: there is nothing to learn"


def test_too_few_rows_are_an_error_as_they_are_in_training(tmp_path):
    file = write(tmp_path / "visits.csv", MOODS)
    proposed(file)
    write(file, [MOODS[0], *[MOODS[1]] * 30])
    assert "visits.csv has 1 different texts" in told(tmp_path)["error"][0]
    with pytest.raises(tasks.data.EmptySplit):
        tasks.load(tasks.find(str(tmp_path / "my_task.yaml")))


GROWN = """
import resource, sys
from pathlib import Path
from tasks.own.survey import survey
from tasks.own.task import load
survey(load(Path(sys.argv[1])), None)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
rows = survey(load(Path(sys.argv[2])), None).rows
print(rows["train"], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_a_long_file_is_read_in_little_memory(tmp_path):
    proposed(write(tmp_path / "visits.csv", MOODS))
    write(tmp_path / "short.csv", MOODS)
    values = (tmp_path / "my_task.yaml").read_text()
    (tmp_path / "short.yaml").write_text(values.replace("visits.csv", "short.csv"))
    with (tmp_path / "visits.csv").open("a") as file:
        for at in range(100_000):
            file.write(f'{at},"a remark of quite some words, {at}",good\n')
    grown = subprocess.run(
        [sys.executable, "-c", GROWN, tmp_path / "short.yaml", tmp_path / "my_task.yaml"],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    rows, kib = map(int, grown.stdout.split())
    assert rows == 100_040
    assert kib < 16_000  # the examples themselves would take more than 60 MB
