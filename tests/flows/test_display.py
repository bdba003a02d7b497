"""Progress: bars on a terminal, lines elsewhere, and always on stderr."""

import io
import re

import pytest

from flows import display


@pytest.fixture
def shown(monkeypatch):
    """What a terminal of 100 columns would get."""
    monkeypatch.setenv("COLUMNS", "100")
    screen = io.StringIO()
    real = display.Console
    make = lambda **_: real(file=screen, force_terminal=True, width=100)  # noqa: E731
    monkeypatch.setattr(display, "Console", make)
    return screen


def test_a_bar_shows_stage_task_step_loss_and_time_left(shown):
    with (
        display.showing(40),
        display.counted("teach", "rte", 0, 20),
        display.job("teach", "rte", 20) as on_step,
    ):
        on_step(5, 0.75)
        display._current[-1]._bars.refresh()
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.getvalue())
    line = next(one for one in text.splitlines() if "loss 0.750" in one)
    assert line.startswith("teach    rte")
    assert "5/20" in line
    assert re.search(r"\d:\d\d:\d\d +(\d|-):", line)  # elapsed, then left
    assert any("all steps" in one and " 5/40" in one for one in text.splitlines())


def test_a_job_without_steps_has_a_bar_too(shown):
    with display.showing(10), display.job("evaluate", "cb", 0):
        display._current[-1]._bars.refresh()
    assert "evaluate cb" in shown.getvalue()


def test_without_a_terminal_there_is_a_line_for_each_job_that_ended(capsys):
    with display.showing(30):
        with display.counted("teach", "rte", 3, 20), display.job("teach", "rte", 20) as on_step:
            on_step(20, 0.5)
        with pytest.raises(ValueError, match="out"), display.counted("adapt", "cb", 3, 10):
            raise ValueError("out")
    got = capsys.readouterr()
    assert got.out == ""
    assert got.err == (
        "teach rte seed 3: done in 0 s, 20/30 steps\n"
        "adapt cb seed 3: failed in 0 s, 30/30 steps\n"
    )  # fmt: skip


def test_where_nobody_watches_nothing_is_printed(capsys):
    with display.counted("teach", "rte", 0, 1), display.job("teach", "rte", 1) as on_step:
        on_step(1, 0.5)
    assert capsys.readouterr() == ("", "")
