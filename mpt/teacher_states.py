"""What teachers say about the same rows again and again, computed once. Shapes: mpt.prompt.

Kept are the last states of the stack that writes, where the answer's tokens are predicted: the head
is frozen too, and makes the logits of them. One file for each task, mapped into memory and sparse:
a row is computed when it is first drawn. The files may be deleted at any time.
"""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from mpt.backbone import Backbone
from mpt.distill import Distillation, teach
from mpt.encoding import Batch, Encoded, mixed_batch
from mpt.signals import Signals

FORMAT = 1
"""Raise it when the same teachers would say something else."""
States = np.ndarray[Any, np.dtype[np.float32]]


class TeacherStates:
    """The last states of each task's rows under its teacher.

    Args:
        backbone: the frozen model.
        teachers: the vanilla prompt of each task, [K, P, H].
        rows: of each task.
        folder: where the files are; it is made if it is not there.
    """

    def __init__(
        self, backbone: Backbone, teachers: Tensor, rows: Sequence[Encoded], folder: Path
    ) -> None:
        self.backbone, self.teachers, self.rows = backbone, teachers, rows
        folder.mkdir(parents=True, exist_ok=True)
        self._paths = [
            folder / f"{_digest(backbone, teacher, some)}.f32"
            for teacher, some in zip(teachers, rows, strict=True)
        ]
        self._kept = [
            _mapped(path, some, backbone.hidden_size)
            for path, some in zip(self._paths, rows, strict=True)
        ]

    def signals(
        self, drawn: Sequence[tuple[int, int]], batch: Batch, settings: Distillation
    ) -> Signals:
        """Return what the teachers say about the rows of `batch`, as `teach` does.

        Args:
            drawn: task and row of each row of the batch.
            batch: made of them.
            settings: of which `can_keep`.
        """
        self._compute([one for one in dict.fromkeys(drawn) if not self._of(*one).all()])
        kept = [torch.from_numpy(np.array(self._of(*one))) for one in drawn]
        states = pad_sequence(kept, batch_first=True).to(self.teachers)
        logits = self.backbone.logits(states.to(self.backbone.model.dtype))
        return Signals(logits.new_zeros(()), logits, (states,) * len(settings.decoder_layers))

    def _of(self, task: int, row: int) -> States:
        """Return what is kept of a row, [S, H]; where there is a zero it was not computed yet.

        No state is exactly zero. So what a crash left half-written is found, too.
        """
        starts = self.rows[task].answer_starts
        return self._kept[task][int(starts[row]) : int(starts[row + 1])]

    def _compute(self, missing: list[tuple[int, int]]) -> None:
        # On a CPU one by one: the last bits depend on what else is in a batch, and a training
        # that was killed must go on with the same ones.
        alone = self.backbone.device.type == "cpu"
        for some in [[one] for one in missing] if alone else [missing] * bool(missing):
            batch = mixed_batch(self.rows, some, self.backbone.device)
            said = teach(self.backbone, self.teachers, batch, Distillation())
            for one, states in zip(some, said.decoder_hidden[0].float().cpu(), strict=True):
                self._keep(*one, states.numpy())

    def _keep(self, task: int, row: int, states: States) -> None:
        # Not through the map: where the disk is full, that would end the process without a word.
        begin, end = self.rows[task].answer_starts[row : row + 2].tolist()
        data = states[: end - begin].tobytes()
        with self._paths[task].open("r+b") as file:
            file.seek(4 * states.shape[1] * begin)
            file.write(data)


def can_keep(settings: Distillation) -> bool:
    """Say whether last states are all that is compared: those of the encoder are too many."""
    return not settings.encoder_layers and set(settings.decoder_layers) <= {-1}


def _digest(backbone: Backbone, teacher: Tensor, rows: Encoded) -> str:
    """Return the identity of the states: backbone, prompt, the very tokens, and what computes."""
    how = f"{FORMAT} {torch.__version__} {backbone.device.type} {backbone.model.dtype}"
    digest = sha256(f"{how} {backbone.digest}".encode())
    for one in (teacher, rows.inputs, rows.input_starts, rows.answers, rows.answer_starts):
        digest.update(f"{one.dtype} {list(one.shape)}".encode())
        digest.update(one.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _mapped(path: Path, rows: Encoded, width: int) -> States:
    """Map the file into memory; a new one is zero throughout, and takes no room yet."""
    shape = (len(rows.answers), width)
    if not len(rows):
        return np.zeros(shape, np.float32)  # an empty file cannot be mapped
    with path.open("ab") as file:
        file.truncate(4 * shape[0] * shape[1])
    return np.memmap(path, np.float32, "r", shape=shape)
