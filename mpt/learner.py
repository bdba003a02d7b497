"""What a training trains: a prompt, or weights of a model."""

from abc import ABC, abstractmethod

from torch import nn


class Learner(nn.Module, ABC):
    """Some parameters, which learn at two rates. All that it registers is saved."""

    @abstractmethod
    def slow(self) -> list[nn.Parameter]:
        """Return what all tasks share; it learns at the base rate."""

    @abstractmethod
    def fast(self) -> list[nn.Parameter]:
        """Return what belongs to one task each; it learns at the factors' rate."""

    def project_(self) -> None:
        """Put it back where it may be, in place, after each step; most may be anywhere."""
        return

    @property
    def num_parameters(self) -> int:
        """How many numbers it consists of, frozen ones too."""
        return sum(parameter.numel() for parameter in self.parameters())

    @property
    def num_trained(self) -> int:
        """How many numbers are trained."""
        return sum(one.numel() for one in self.parameters() if one.requires_grad)
