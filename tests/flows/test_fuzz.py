"""Whatever a command is given: one line and a status, and never half a run."""

import math
import re
import string

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

FUZZ = settings(
    deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
ODD_TEXT = st.text(alphabet=string.printable + "\0\x1b\u202eé\ud800", max_size=30)
NUMBERS = st.sampled_from(
    [0, -1, 1, 3, 0.5, 2**31, 10**30, 1e308, 1e-308, -0.0, math.nan, math.inf, True, "3", "1e3"]
)
NAMES = st.sampled_from(["rte", "cola", "cb", "../../etc/passwd", "mini_deed.yaml", "x" * 300])
VALUES = st.one_of(NUMBERS, NAMES, ODD_TEXT, st.none(), st.lists(NAMES | NUMBERS, max_size=3))
FREE = (
    "steps", "batch_size", "validations", "rank", "learning_rate", "weight_decay", "warmup", "clip",
    "patience", "train_rows", "validation_rows", "max_length", "seed", "step", "start", "factors",
    "factor_learning_rate", "sampling_cap", "freeze_absent_tasks", "distillation",
)  # fmt: skip
TRAININGS = st.dictionaries(st.sampled_from(FREE), VALUES, min_size=1, max_size=2)
SPECS = st.one_of(
    st.dictionaries(
        st.sampled_from(
            ["name", "seeds", "sources", "targets", "backbone", "precision", "prompt_length", "x"]
        ),
        VALUES, min_size=1, max_size=2,
    ),
    st.tuples(st.sampled_from(["teach", "learn", "adapt"]), TRAININGS),
)  # fmt: skip


@pytest.fixture(scope="module")
def used(make_home):
    """A home that all examples share: what one leaves, the next must be able to live with."""
    return make_home()


def ended_well(said, home, before):
    """Hold that a command ended as commands end, and left nothing half done."""
    assert said.status in {0, 2, 3, 4}, said
    if said.status:
        assert said.err.splitlines()[-1].startswith("prompt-transfer: "), said.err
        assert all(line.isprintable() for line in said.err.splitlines()), said.err
    if said.status in {2, 3}:
        assert said.err.count("\n") == 1, said.err
        assert home.query("SELECT count(*) FROM run") == before
    assert home.query("SELECT id FROM run WHERE status = 'running'") == []
    assert home.query(UNFINISHED) == []


UNFINISHED = """
SELECT id FROM run WHERE status = 'completed' AND stage <> 'evaluate' AND NOT EXISTS (
    SELECT 1 FROM run_prompt WHERE run_prompt.run_id = run.id AND run_prompt.role = 'made'
)
"""


def count(home):
    return home.query("SELECT count(*) FROM run")


@settings(FUZZ, max_examples=60)
@given(SPECS)
@example({"sources": ["rte-numbers", "rte-attempt"]})
@example({"sources": ["rte", "rte"]})
def test_a_random_spec_is_run_or_refused(used, server, spec, values):
    if isinstance(values, tuple):
        values = {values[0]: spec[values[0]] | values[1]}
    before = count(used)
    said = used.run("learn", used.write(yaml.safe_dump(spec | values)))
    ended_well(said, used, before)


@settings(FUZZ, max_examples=60)
@given(
    st.sampled_from(
        ["adapt", "few-shot", "baseline", "best", "tasks", "tasks check", "tasks --show 1",
         "tasks new --to x.yaml", "tasks generate --to x.yaml", "run", "learn", "lineage",
         "export --to x", "import x --task", "adapt rte --backbone TINY --from"]
    ),
        # Not what could be the name of something, nor an option.
        ODD_TEXT.filter(lambda name: not re.fullmatch(r"\s*-.*|[a-z0-9_-]+", name, re.DOTALL)),
)  # fmt: skip
@example("adapt", "rte\x1b[2J")
@example("tasks check", "\ud800.yaml")
@example("tasks new --to x.yaml", "\0.csv")
@example("run", ".")
@example("best", "\ud800")
def test_a_random_name_is_refused_by_every_command(used, tiny_backbone, command, name):
    before = count(used)
    said = used.run(*command.replace("TINY", tiny_backbone).split(), name)
    ended_well(said, used, before)
    assert said.status in {2, 3}


DEFINITION = {
    "name": "fuzz", "files": {"train": "rows.csv"}, "template": "{text}", "answer": "label",
    "labels": {"a": "good", "b": "bad"}, "metric": "accuracy",
}  # fmt: skip


@settings(FUZZ, max_examples=40)
@given(
    st.dictionaries(st.sampled_from([*DEFINITION, "held_out", "max_input"]), VALUES, max_size=2),
    st.lists(st.tuples(st.text('ab ,"\n\0é', max_size=5), st.sampled_from("ab")), max_size=12),
)
@example({"files": {"train": "."}}, [])
@example({"files": {"train": "../../etc/passwd"}}, [])
def test_a_random_task_of_ones_own_is_adapted_to_or_refused(
    used, tmp_path, tiny_backbone, values, rows
):
    text = "".join(f'"{text}",{label}\n' for text, label in rows)
    (tmp_path / "rows.csv").write_text("text,label\n" + text, newline="")
    file = tmp_path / "fuzz.yaml"
    file.write_text(yaml.safe_dump(DEFINITION | values), encoding="utf-8")
    before = count(used)
    said = used.run("adapt", file, "--steps", "1", "--backbone", tiny_backbone, "--from", "7")
    ended_well(said, used, before)
    assert said.status in {2, 3}  # 3: there is no seventh source prompt
