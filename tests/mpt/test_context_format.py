"""A context prompt's bytes: PEFT loads them with equal logits, and we go on with equal bits."""

import pytest
import torch
from peft import PeftModel
from torch.testing import assert_close

from mpt.context import Shot, build
from mpt.cpt import ContextPrompt, context_loss, start
from mpt.peft_format import BadPrompt, export, from_tensors, pack, read, to_tensors, unpack
from mpt.prompt import Prefix
from mpt.train import Schedule, train

SHOTS = [
    Shot("sentence: a good film", [(10, 21)], "positive"),
    Shot("sentence: the worst film I ever saw", [(10, 35)], "maybe"),
]
SCHEDULE = Schedule(
    steps=6, learning_rate=0.05, factor_learning_rate=0.05, validate_every=6, warmup=0.0
)


def trained(backbone, prompt, steps=6):
    batches = [[at % 2, 0] for at in range(steps)]
    train(prompt, batches, lambda drawn: context_loss(backbone, prompt, drawn, 0.9), SCHEDULE)
    return prompt


def new(backbone, front=None):
    context = build(backbone, SHOTS)
    return start(backbone, context, input_radius=2.0, format_radius=1.0, front=front)


@pytest.fixture(params=["llama", "gpt2"])
def backbone(request, make_causal):
    return make_causal(request.param)


@pytest.fixture(params=[0, 2], ids=["alone", "behind a front"])
def prompt(request, backbone):
    draw = torch.Generator().manual_seed(0)
    front = torch.randn(request.param, backbone.hidden_size, generator=draw)
    return trained(backbone, new(backbone, front))


def test_training_moves_it_within_its_balls(backbone, prompt):
    norms = prompt.delta.norm(dim=1)
    assert (norms <= prompt.radii * (1 + 1e-5)).all()
    assert norms.max() > 0


def test_what_is_read_back_is_the_same_prompt(prompt):
    again = unpack(pack(prompt))
    assert isinstance(again, ContextPrompt)
    for name, value in prompt.state_dict().items():
        assert_close(again.state_dict()[name], value, rtol=0, atol=0)
    assert pack(again) == pack(prompt)


def test_training_goes_on_from_it_as_from_the_prompt_itself(backbone, prompt):
    again = unpack(pack(prompt))
    assert pack(trained(backbone, again)) == pack(trained(backbone, prompt))


def test_peft_loads_it_with_equal_logits(backbone, prompt, tmp_path):
    export(prompt, tmp_path, backbone, "somewhere")
    theirs = PeftModel.from_pretrained(backbone.model, tmp_path).eval()
    kind = "PROMPT_TUNING" if len(prompt.front) else "CPT"
    assert theirs.peft_config["default"].peft_type == kind
    batch = backbone.encode_next(["a film"], ["maybe"], 50, 9).batch([0], [0], "cpu")
    ids = torch.cat([batch.input_ids, batch.labels[:, :-1]], dim=1)
    length = batch.labels.shape[1]
    expected = theirs(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[:, -length:]
    ours = backbone(Prefix(prompt.task(0)[None], torch.tensor([0])), batch).logits
    assert_close(ours, expected, rtol=1e-4, atol=1e-5)


def test_the_folder_of_an_export_is_read_as_the_same_prompt(backbone, prompt, tmp_path):
    export(prompt, tmp_path, backbone, "somewhere")
    assert pack(read(tmp_path).prompt) == pack(prompt)


def without_delta(tensors):
    return {name: value for name, value in tensors.items() if name != "context.delta"}


def short_radii(tensors):
    return tensors | {"context.radii": tensors["context.radii"][1:]}


def another_sum(tensors):
    return tensors | {"prompt_embeddings": tensors["prompt_embeddings"] + 1}


@pytest.mark.parametrize("harm", [without_delta, short_radii, another_sum])
def test_a_context_that_is_not_whole_is_refused(backbone, harm):
    with pytest.raises(BadPrompt, match="not a prompt"):
        from_tensors(harm(to_tensors(new(backbone))))
