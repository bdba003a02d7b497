"""Whatever is bad is refused in one line, before anything is trained or recorded."""

import json

import pytest

ONE_LINE = "prompt-transfer: "


def refused(said, home, status, *words):
    """Hold that a command was refused, and that nothing was begun."""
    assert said.status == status, said
    assert said.out == ""
    assert said.err.startswith(ONE_LINE), said.err
    assert said.err.count("\n") == 1, said.err
    for word in words:
        assert word in said.err, said.err
    assert home.query("SELECT id FROM run") == []


USAGE = {
    "run": "requires an argument",
    "run --wrong x": "Unknown option",
    "adapt": "needs a task",
    "adapt cola cola": "names cola twice",
    "adapt cola --steps -1": "--steps is '-1'",
    "adapt cola --steps x": "--steps is 'x'",
    "adapt cola --bogus 1": "Unknown option",
    "adapt cola --sampling-cap 9": "give --together too",
    "bogus": "Unknown command",
    "tasks rte --show -1": "--show",
    "tasks --workers 0": "--workers",
    "run demo --workers x": "--workers",
    "tasks --data no-such-folder": "--data",
    "best cola --home {file}": "--home",
    "adapt nope": "no task is named 'nope'",
    "adapt rte-number": "no task is named 'rte-number': did you mean 'rte-numbers'?",
    "adapt mrpcc": "did you mean 'mrpc'?",
    "tasks boolqq": "did you mean 'boolq'?",
    "best boolqq": "did you mean 'boolq'?",
    "run no-such.yaml": "one of the built-in demo, glue, glue_small",
    "learn {folder}": "cannot be read",
    "adapt cola --backbone no/such/folder": "no backbone could be loaded",
}


@pytest.mark.parametrize("line", USAGE)
def test_a_wrong_command_line_is_one_line_and_status_2(line, home, tmp_path):
    (tmp_path / "file").touch()
    words = line.format(file=tmp_path / "file", folder=tmp_path).split()
    refused(home.run(*words), home, 2, USAGE[line])


@pytest.mark.parametrize(
    "line", ["best cola", "best multitask", "best group", "lineage abc", "lineage abcdef12"]
)
def test_asking_for_what_is_not_there_is_status_3(line, home):
    refused(home.run(*line.split()), home, 3)


@pytest.mark.parametrize("named", ["best", "@champion", "7", "abcdef12", "no-digest"])
def test_a_source_prompt_that_is_not_there_is_status_3(named, home, tiny_backbone):
    said = home.run("adapt", "cola", "--from", named, "--backbone", tiny_backbone)
    refused(said, home, 3, named)


WRONG_SPECS = {
    "unknown task": ({"targets": ["cola", "rtee"]}, "did you mean 'rte'?"),
    "unknown key": ({"tragets": ["cola"]}, "tragets is not a key"),
    "unknown key inside": ({"teach": {"steps": 2, "step": 3}}, "teach.step is not a key"),
    "out of range": ({"prompt_length": 0}, "prompt_length is 0"),
    "not a number": ({"teach": {"steps": "many"}}, "teach.steps is 'many'"),
    "no such backbone": ({"backbone": "no/such/folder"}, "no backbone could be loaded"),
    "too long": ({"adapt": {"steps": 2, "max_length": 510}}, "a prompt of 4 tokens"),
    "a start nobody knows": ({"adapt": {"steps": 2, "start": "cb"}}, "adapt.start is 'cb'"),
}


@pytest.mark.parametrize("command", ["run", "learn"])
@pytest.mark.parametrize("wrong", WRONG_SPECS)
def test_a_wrong_value_in_a_spec_is_refused_before_training(wrong, command, home, spec):
    change, said = WRONG_SPECS[wrong]
    refused(home.run(command, home.write(spec | change)), home, 2, said)


@pytest.mark.parametrize("text", ["- a\n- list\n", "{", "seeds: [0]\nseeds: [1]\n", ""])
def test_a_file_that_is_no_spec_is_refused(text, home):
    refused(home.run("run", home.write(text)), home, 2, "spec.yaml")


def test_a_hub_that_cannot_be_reached_is_one_line_before_training(home, spec):
    # The tests run with HF_HUB_OFFLINE; without a network it is the same, after a wait.
    file = home.write(spec)
    refused(home.run("run", file, data=""), home, 2, "Hugging Face hub", "--data DIR")


def change_row(file, **changes):
    lines = file.read_text().splitlines()
    row = json.loads(lines[2]) | changes
    lines[2] = json.dumps({name: value for name, value in row.items() if value is not None})
    file.write_text("\n".join(lines) + "\n")


WRONG_ROWS = {
    "the folder of a task is missing": (lambda cb: cb.rename(cb.parent / "cb2"), "cb"),
    "no training file": (lambda cb: (cb / "train.jsonl").unlink(), "no train rows"),
    "a row without its label": (
        lambda cb: change_row(cb / "train.jsonl", label=None), "label",
    ),
    "a label out of range": (lambda cb: change_row(cb / "train.jsonl", label=7), "7"),
    "a line that is not JSON": (lambda cb: (cb / "train.jsonl").write_text("{\n"), "not JSON"),
    "an empty split": (lambda cb: (cb / "validation.jsonl").write_text(""), "no rows left"),
    "an empty file": (lambda cb: (cb / "train.jsonl").write_text(""), "no rows left"),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG_ROWS)
def test_wrong_rows_of_a_target_are_refused_before_any_teacher(
    wrong, make_home, write_data, spec, tmp_path
):
    spoil, said = WRONG_ROWS[wrong]
    home = make_home(write_data(tmp_path / "data"))
    spoil(tmp_path / "data" / "cb")
    refused(home.run("run", home.write(spec)), home, 2, said)
