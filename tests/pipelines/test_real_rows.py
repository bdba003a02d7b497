"""Stages on published rows; PROMPT_TRANSFER_DATA is a folder of <task>/<split> files."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.evaluate import evaluate
from pipelines.inputs import TaskInput
from pipelines.teach import teach

FOLDER = Path(os.environ.get("PROMPT_TRANSFER_DATA", ""))
pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(
        "PROMPT_TRANSFER_DATA" not in os.environ, reason="PROMPT_TRANSFER_DATA is not set"
    ),
]


@pytest.mark.parametrize(
    ("name", "metrics"),
    [("rte", {"accuracy"}), ("cb", {"accuracy", "macro_f1"}), ("boolq", {"accuracy"})],
)
def test_a_prompt_is_tuned_and_tested_on_real_rows(svc, specs, made, name, metrics):
    given = TaskInput.open(name, FOLDER)
    real = replace(svc, task=lambda asked: given)
    taught = teach(specs.teach(name, steps=2, max_length=48), real)
    run = svc.lineage.get_run(evaluate(specs.evaluate(name, max_length=48), made(taught), real))
    assert svc.lineage.get_run(taught).primary("validation").n == 12
    assert {(score.metric, score.n) for score in run.scores} == {(one, 15) for one in metrics}
    assert run.truncated > 0
