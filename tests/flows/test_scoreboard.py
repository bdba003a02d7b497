"""Tables stay readable: no number is ever cut."""

import pytest

from flows import scoreboard
from flows.running import SourcePrompt, TransferReport
from flows.settings import Settings
from pipelines.few_shot_report import FewShotRow, MethodScores
from pipelines.records import ScoreRecord
from pipelines.report import Report, Row, Scores

ROW = Row(
    task="mini_whereabouts", family="acceptability", metric="accuracy", n_train=392_702,
    n_test=9_815, majority=50.2, zero_shot=49.9, scratch=Scores((50.0, 71.2, 60.1)),
    adapted=Scores((80.0, 81.2, 90.4)), gain=(-10.2, 12.3), flat=3,
    version="softprompt.nano-t5-12345678.mini_whereabouts/12",
)  # fmt: skip
WHOLE = [
    "mini_whereabouts", "acceptability", "392,702", "9,815", "50.2", "49.9", "60.4 ± 10.6",
    "83.9 ± 5.7", "+23.4", "[-10.2, +12.3]", "3/3", ROW.version,
]  # fmt: skip


def report(**changes):
    values = {
        "seeds": 3, "rows": (ROW, ROW), "source_digest": "ab" * 32, "source_version": "",
        "source_score": 70.0, "truncated": 1_200, "warnings": ("'cb' has [no] split",),
        "unregistered": "MLflow failed [here]",
    }  # fmt: skip
    return Report(**values | changes)


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_the_table_of_a_transfer_is_whole_at_any_width(columns, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(columns))
    scoreboard.show_transfer(TransferReport(report(), ()), Settings())
    out = capsys.readouterr().out
    table = out.partition("Prompt tuning")[0]
    for cell in WHOLE[:-1]:
        assert cell in table
    assert WHOLE[-1] in out
    assert "…" not in out
    assert max(len(line.rstrip()) for line in table.splitlines()) <= max(columns, 84)


def test_what_is_not_registered_says_why_and_brackets_are_text(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "120")
    scoreboard.show_transfer(TransferReport(report(), ()), Settings())
    out = capsys.readouterr().out
    assert "source prompt: not registered yet: MLflow failed [here] (abababababab)" in out
    assert "warning: 'cb' has [no] split" in out
    assert "1,200 inputs were longer than allowed" in out


def test_a_source_prompt_can_be_copied_from_its_table(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "40")
    score = ScoreRecord("r", None, "d", "validation", "prompt", "mean", 61.25, 1000, True,
                        None, None, "multitask")  # fmt: skip
    scoreboard.show_learned([SourcePrompt(7, "cd" * 32, "", score, "MLflow is down")])
    out = capsys.readouterr().out
    assert "cdcdcdcdcdcd" in out
    assert "61.2 (1,000)" in out
    assert "not registered yet: MLflow is down" in " ".join(out.split())


def test_a_few_shot_table_is_whole_and_shows_the_gain_over_its_first_method(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "50")
    version = "softprompt.nano-lm-12345678.mini_dining/12"
    methods = (
        MethodScores("in-context learning", Scores((50.0, 60.0)), (48.5, 61.5), (0.0, 0.0), ""),
        MethodScores("CPT", Scores((60.0, 80.0)), (55.5, 82.5), (5.5, 25.5), version),
    )
    row = FewShotRow("mini_dining", "accuracy", 8, 2, 500, 52.0, 49.5, methods)
    scoreboard.show_few_shot([row])
    out = capsys.readouterr().out
    for cell in (
        "mini_dining: 8 shots, 2 draw(s)", "zero-shot 49.5", "55.0 ± 7.1", "70.0 ± 14.1",
        "48.5 to 61.5", "+15.0 [+5.5, +25.5]", version, "not registered yet",
    ):  # fmt: skip
        assert cell in " ".join(out.split())
