import time
from itertools import pairwise

import pytest
import torch
from safetensors.torch import save_file
from torch.testing import assert_close

from mpt import files
from mpt.checkpoint import Checkpoint, CheckpointIgnored, State
from mpt.distill import Distillation, source_loss, teach
from mpt.encoding import mixed_batch
from mpt.peft_format import pack
from mpt.prompt import MultitaskPrompt, SoftPrompt
from mpt.sampling import mixed_batches
from mpt.train import Schedule, train

PLAN = Schedule(steps=14, learning_rate=0.3, factor_learning_rate=0.4, validate_every=3)
K, P = 3, 4


class Killed(BaseException):
    """Stands for the end of the process."""


class Every(Checkpoint):
    """Saves after each so many steps, whatever the clock says."""

    def __init__(self, path, identity="", *, steps):
        super().__init__(path, identity)
        self.steps, self.taken = steps, 0

    def load(self, *args):
        state = super().load(*args)
        self.taken = state.step if state else 0
        return state

    def is_due(self):
        self.taken += 1
        return self.taken % self.steps == 0


@pytest.fixture
def source_training(backbone):
    """Return a function that trains a new source prompt on three tasks, up to a kill."""
    texts = [["a good film", "the worst film"], ["maybe", "a great one", "and"], ["I saw"]]
    parts = [backbone.encode(part, ["positive"] * len(part), 40, 8) for part in texts]
    draw = torch.Generator().manual_seed(1)
    teachers = torch.randn(K, P, backbone.hidden_size, generator=draw)

    def run(checkpoint=None, kill_at=None, plan=PLAN):
        generator = torch.Generator().manual_seed(0)
        shared = torch.randn(P, backbone.hidden_size, generator=generator)
        prompt = MultitaskPrompt.start(shared, K, 1, "identity", generator)

        def loss_of(draws):
            batch = mixed_batch(parts, draws, "cpu")
            taught = teach(backbone, teachers, batch, Distillation())
            return source_loss(backbone, prompt, taught, batch, Distillation())

        def on_step(step, loss):
            if step == kill_at:
                raise Killed

        # A sine, so that the best state is not simply the last.
        trained = train(
            prompt,
            mixed_batches([len(part) for part in parts], 3, seed=0),
            loss_of,
            plan,
            validate=lambda: prompt.shared.sum().sin().item(),
            checkpoint=checkpoint,
            on_step=on_step,
        )
        return pack(prompt), trained

    return run


@pytest.mark.parametrize("kill_at", [1, 4, 5, 9, 13])
def test_a_killed_training_resumes_to_the_same_bytes(source_training, tmp_path, kill_at):
    whole = source_training()
    checkpoint = Every(tmp_path / "run.safetensors", steps=4)
    with pytest.raises(Killed):
        source_training(checkpoint, kill_at)
    assert checkpoint.path.exists() == (kill_at >= 4)
    assert source_training(checkpoint) == whole


def test_a_training_killed_again_and_again_ends_the_same(source_training, tmp_path):
    whole = source_training()
    checkpoint = Every(tmp_path / "run.safetensors", steps=1)
    for kill_at in range(1, PLAN.steps + 1):
        with pytest.raises(Killed):
            source_training(checkpoint, kill_at)
    assert source_training(checkpoint) == whole


def test_a_resumed_training_takes_only_the_steps_after_the_last_save(source_training, tmp_path):
    checkpoint = Every(tmp_path / "run.safetensors", steps=4)
    with pytest.raises(Killed):
        source_training(checkpoint, 10)
    with pytest.raises(Killed):
        source_training(checkpoint, 9)  # the last save was at 8, so step 9 comes again
    source_training(checkpoint, 8)  # and step 8 does not


def test_saving_takes_no_more_than_its_share_of_the_time(tmp_path, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(files, "write", lambda *_: now.append(now.pop() + 0.6))
    checkpoint = Checkpoint(tmp_path / "run.safetensors", share=0.03)
    prompt = SoftPrompt(torch.ones(P, 16))
    spent = []
    for _ in range(1000):
        now[0] += 0.4  # a step
        if checkpoint.is_due():
            checkpoint.save(prompt, torch.optim.AdamW(prompt.parameters()), "", State.begin())
            spent.append(now[0])
    assert 0.02 < len(spent) * 0.6 / (now[0] - 1000) < 0.031
    assert max(b - a for a, b in pairwise(spent)) < 0.6 / 0.03 + 1


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


def cut_header(path):
    path.write_bytes(path.read_bytes()[:50])


def empty(path):
    path.write_bytes(b"")


def flip_a_bit(path):
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)


def edit_the_step(path):
    data = path.read_bytes()
    edited = data.replace(rb"\"step\": 8", rb"\"step\": 4")
    assert edited != data
    path.write_bytes(edited)


def write_another_format(path):
    save_file({"prompt_embeddings": torch.ones(P, 16)}, path, {"format": "pt"})


@pytest.mark.parametrize(
    "damage", [cut, cut_header, empty, flip_a_bit, edit_the_step, write_another_format]
)
def test_a_damaged_or_foreign_file_is_not_trained_on(source_training, tmp_path, damage):
    whole = source_training()
    checkpoint = Every(tmp_path / "run.safetensors", steps=4)
    with pytest.raises(Killed):
        source_training(checkpoint, 9)
    damage(checkpoint.path)
    with pytest.warns(CheckpointIgnored, match=r"run\.safetensors is not used"):
        assert source_training(checkpoint) == whole


def test_the_checkpoint_of_another_training_is_not_trained_on(source_training, tmp_path):
    path = tmp_path / "run.safetensors"
    with pytest.raises(Killed):
        source_training(Every(path, "one", steps=4), 9)
    with pytest.warns(CheckpointIgnored, match="another training"):
        assert source_training(Every(path, "two", steps=4)) == source_training()


def test_the_checkpoint_of_another_schedule_or_shape_is_not_trained_on(source_training, tmp_path):
    checkpoint = Every(tmp_path / "run.safetensors", steps=4)
    with pytest.raises(Killed):
        source_training(checkpoint, 5)
    longer = Schedule(steps=15, learning_rate=0.3, factor_learning_rate=0.4, validate_every=3)
    with pytest.warns(CheckpointIgnored, match="another training"):
        source_training(Every(checkpoint.path, steps=100), plan=longer)
    prompt = SoftPrompt(torch.ones(P, 16))
    with pytest.warns(CheckpointIgnored, match="other names, shapes or dtypes"):
        train(prompt, [0] * 14, lambda _: prompt.tokens.sum(), PLAN, checkpoint=checkpoint)


def test_half_a_write_leaves_the_old_file_and_goes_with_it(source_training, tmp_path):
    whole = source_training()
    checkpoint = Every(tmp_path / "run.safetensors", steps=4)
    with pytest.raises(Killed):
        source_training(checkpoint, 9)
    (tmp_path / ".new-run.safetensors-8f3k").write_bytes(b"half")
    assert source_training(checkpoint) == whole
    checkpoint.remove()
    checkpoint.remove()
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_is_whole_for_a_prompt_without_factors(tmp_path):
    def run(kill_at=None):
        prompt = SoftPrompt(torch.ones(P, 16))

        def on_step(step, loss):
            if step == kill_at:
                raise Killed

        checkpoint = Every(tmp_path / "soft.safetensors", steps=2)
        train(
            prompt,
            range(100),
            lambda n: (prompt.tokens * n).sin().sum(),
            PLAN,
            checkpoint=checkpoint,
            on_step=on_step,
        )
        checkpoint.remove()
        return prompt.tokens

    whole = run()
    with pytest.raises(Killed):
        run(kill_at=7)
    assert_close(run(), whole, rtol=0, atol=0)
