"""What is refused before a transfer begins."""

import pytest

from mpt.signals import UnknownLayer
from pipelines.check import check
from pipelines.inputs import TooLong
from pipelines.plan import TransferSpec


@pytest.fixture
def checked(svc, tiny_backbone, statuses):
    """Check a transfer with some values changed; nothing may be recorded by that."""

    def run(**others):
        values = {
            "backbone": tiny_backbone,
            "prompt_length": 5,
            "sources": ["mini_review", "mini_deed"],
            "targets": ["mini_dining"],
            "teach": {"steps": 1},
            "learn": {"steps": 1},
            "adapt": {"steps": 1},
        }
        check(TransferSpec.model_validate(values | others), svc)
        assert statuses() == []

    return run


def test_a_transfer_that_fits_is_not_refused(checked):
    checked(
        prompt_length=512 - 128, learn={"steps": 1, "distillation": {"decoder_layers": [-3, 2]}}
    )


@pytest.mark.parametrize(
    ("others", "error", "says"),
    [
        ({"targets": ["mini_diner"]}, LookupError, "no task is named 'mini_diner': did you mean"),
        ({"sources": ["rte"]}, LookupError, "no train rows of 'rte': looked for"),
        ({"backbone": "no/such/folder"}, LookupError, "no backbone could be loaded from 'no/such"),
        ({"prompt_length": 385}, TooLong, "513, but .* declares 512: give a shorter prompt_length"),
        ({"teach": {"steps": 1, "max_length": 508}}, TooLong, "for 'mini_review' make 513"),
        ({"learn": {"steps": 1, "max_length": 508}}, TooLong, "for 'mini_review' make 513"),
        ({"adapt": {"steps": 1, "max_length": 508}}, TooLong, "for 'mini_dining' make 513"),
        (
            {"learn": {"steps": 1, "distillation": {"decoder_layers": [3]}}},
            UnknownLayer,
            r"no layer 3 in this stack: give 0 \(its input\) to 2",
        ),
        (
            {"learn": {"steps": 1, "distillation": {"encoder_layers": [-4]}}},
            UnknownLayer,
            "no layer -4",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(checked, others, error, says):
    with pytest.raises(error, match=says) as caught:
        checked(**others)
    assert "\n" not in str(caught.value)
