"""Checkpoints that another machine can go on from: each is kept in the store's place too."""

import logging
import time
from contextlib import suppress
from dataclasses import dataclass, field

import torch

from mpt import files
from mpt.checkpoint import Checkpoint, State
from mpt.learner import Learner
from pipelines.places import Place, StoreDown

logger = logging.getLogger(__name__)


@dataclass
class Mirrored(Checkpoint):
    """A checkpoint whose file is copied to `place` as often as it is saved.

    The copy counts as part of the saving, which may take a share of the time: on a slow line there
    are fewer. A place that is down costs what another machine would have gone on from, no more.
    """

    place: Place = field(kw_only=True)

    @property
    def _name(self) -> str:
        return f"checkpoints/{self.path.name}"

    def save(
        self, learner: Learner, optimizer: torch.optim.Optimizer, schedule: str, state: State
    ) -> None:
        """Replace the file, and the copy of it."""
        began = time.monotonic()
        super().save(learner, optimizer, schedule, state)
        try:
            self.place.write(self._name, self.path.read_bytes())
        except StoreDown as error:
            logger.warning("%s", error)
        self._next = began + (time.monotonic() - began) / self.share

    def load(
        self, learner: Learner, optimizer: torch.optim.Optimizer, schedule: str
    ) -> State | None:
        """Go on from the copy, wherever it was made; see `Checkpoint.load`."""
        try:
            with suppress(FileNotFoundError):
                files.write(self.path, self.place.read(self._name))
        except StoreDown as error:
            logger.warning("%s", error)
        return super().load(learner, optimizer, schedule)

    def remove(self) -> None:
        """Delete both."""
        super().remove()
        try:
            self.place.remove(self._name)
        except StoreDown as error:
            logger.warning("%s", error)
