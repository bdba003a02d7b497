"""The comparison with PEFT, at sizes where only its rules can be tested: no speed is."""

import json
import sys
from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import ours_vs_peft, peak_memory
from benchmarks.cases import CASES, TRIALS, Trial
from benchmarks.paired import _same_answers, agreement, is_noisy, ratio
from benchmarks.peers import Setting, Shape, flops

SMALL = Setting(Shape(context=64, batch=8, layers=1, width=32, vocabulary=100))


def small(case):
    model = next(trial.model for trial in TRIALS if trial.case == case)
    return replace(SMALL, shape=replace(SMALL.shape, model=model))


@pytest.mark.parametrize("case", CASES)
def test_both_sides_do_the_same_work(case):
    setting = small(case)
    work = CASES[case](setting)
    agreed = agreement(CASES[case], setting, work)
    assert set(agreed) == set(work.peers)
    assert all(one.holds for one in agreed.values())


class Wrong(CASES["cpt_train"]):
    """Computes a gradient that is off by a thousandth."""

    def ours(self, at):
        found = super().ours(at)
        return found | {"delta": 1.001 * found["delta"]}


def test_a_side_that_computes_something_else_is_refused_and_not_tried_again(monkeypatch, capsys):
    monkeypatch.setitem(ours_vs_peft.CASES, "cpt_train", Wrong)
    rows = ours_vs_peft.measure(Trial("cpt_train", 64, 8, {"peft": 0.3}), SMALL, pairs=2)
    assert [row.peer for row in rows] == ["peft", "peft_tuned"]
    assert all(row.refused and row.equality["float64"] > 5e-4 for row in rows)
    assert "attempt 1 of 1 is refused" in capsys.readouterr().err
    assert ours_vs_peft.cells(rows[0])[-1] == "refused"


class Other(CASES["cpt_score"]):
    """Prefers another label in one row."""

    def ours(self, at):
        scores = super().ours(at)["scores"].clone()
        scores[0] = scores[0].flip(0)
        return {"scores": scores}


class Tied(Other):
    """The same, where PEFT's two labels in that row are next to equal."""

    def generate(self, at):
        scores = super().generate(at)["scores"].clone()
        scores[0, 1] = scores[0, 0] * (1 + 1e-4)
        return {"scores": scores}


@pytest.mark.parametrize(("case", "agree"), [(Other, False), (Tied, True)])
def test_another_answer_counts_as_the_same_only_in_a_tie(case, agree):
    setting = small("cpt_score")
    work = case(setting)
    theirs = work.generate(0)
    assert _same_answers(work.ours(0), theirs, 0.001) is agree


def test_without_a_size_the_first_of_each_case_is_run(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["ours_vs_peft"])
    first = [trial for trial, _ in ours_vs_peft.chosen(ours_vs_peft.parsed())]
    assert [trial.case for trial in first] == list(CASES)
    monkeypatch.setattr(sys, "argv", ["ours_vs_peft", "--size", "all"])
    assert [trial for trial, _ in ours_vs_peft.chosen(ours_vs_peft.parsed())] == list(TRIALS)


def test_a_busy_machine_is_told_by_its_null_and_by_its_spread():
    still = ratio([1.0, 1.1, 1.2, 1.1, 1.0], [10.0] * 5)
    assert (still.median, still.q1, still.q3) == pytest.approx((0.11, 0.10, 0.11))
    assert not is_noisy(still, still._replace(median=1.04))
    assert is_noisy(still, still._replace(median=1.06))
    assert is_noisy(still, still._replace(median=0.94))
    assert is_noisy(still._replace(q3=0.14), still._replace(median=1.0))


@pytest.mark.parametrize(("training", "factor"), [(True, 2), (False, 1)])
def test_the_formula_counts_the_multiplications_of_linear_layers(training, factor):
    work = CASES["cpt_train"](SMALL)
    rows, _ = work.setting.padded([work.ids[0]])
    length = SMALL.shape.context + rows.shape[1]
    embeds = torch.zeros(1, length, 32, requires_grad=True)
    with FlopCounterMode(display=False) as counter:
        out = work.model.get_base_model()(inputs_embeds=embeds, use_cache=False)
        if training:
            out.logits.sum().backward()
    counted = counter.get_flop_counts()["Global"]
    linear = sum(
        n for name, n in counted.items() if "attention" not in str(name) and "bmm" not in str(name)
    )
    shape = SMALL.shape
    pairs = (14 if training else 4) * shape.width * shape.layers * length**2 / 2
    formula = flops(shape, [length], length, training=training) - pairs
    assert linear == formula == factor * 2 * (shape.body + shape.head) * length


def test_the_formula_counts_the_multiplications_of_t5():
    work = CASES["mpt_t5_mixed"](small("mpt_t5_mixed"))
    with FlopCounterMode(display=False) as counter:
        for at in range(len(work.batches)):
            work.peft(at)
    counted = counter.get_flop_counts()["Global"]
    linear = sum(n for name, n in counted.items() if "attention" not in str(name))
    shape = work.setting.shape
    batches = [(max(len(row.text) for row in some), len(some)) for some in work.batches]
    pairs = sum(rows * (shape.context + text) ** 2 for text, rows in batches)
    formula = work.flops()[1] - 14 * shape.width * shape.layers * pairs
    assert linear == pytest.approx(formula, rel=0.02)


def test_memory_is_what_a_step_adds_at_its_peak(monkeypatch):
    class Large:
        def __init__(self, setting):
            self.loaded = torch.ones(2**22)

        def ours(self, at):
            torch.ones(2**24)  # 64 MB, gone at the end

    monkeypatch.setitem(peak_memory.CASES, "large", Large)
    assert 60 < peak_memory.of_a_step("large", "ours", SMALL) / 2**20 < 80


def test_the_table_and_its_file_hold_every_figure(monkeypatch, capsys, tmp_path):
    row = ours_vs_peft.Row(
        case="cpt_train", measure="time", peer="peft", ratio=0.14, q1=0.13, q3=0.15, pairs=9,
        equality={"float64": 1e-7, "as_timed": 1e-6},
        shape={"context": 256, "batch": 8, "text": 60},
        refused=False, null=1.01, cpu=0.14, ours=0.5, flops=0.143, target=0.15,
    )  # fmt: skip
    monkeypatch.setattr(ours_vs_peft, "measure", lambda *_: [row])
    file = tmp_path / "out.json"
    argv = ["--case", "cpt_train", "--size", "256x8", "--json", str(file)]
    monkeypatch.setattr(sys, "argv", ["ours_vs_peft", *argv])
    ours_vs_peft.main()
    assert "C=256 B=8 T=60    time    peft        0.140" in capsys.readouterr().out
    (found,) = json.loads(file.read_text())
    assert found["ratio"] == 0.14
    assert found["null"] == 1.01
    assert not found["refused"]
