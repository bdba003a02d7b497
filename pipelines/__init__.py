"""Stages from a spec to a recorded run: plain functions, which need no server.

The specs can be had from here, `from pipelines import AdaptSpec`; each stage from its own module,
`from pipelines.adapt import adapt`. Nothing is imported before it is asked for: a question to
lineage must not wait for torch or pydantic.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelines.plan import FewShotPlan, TransferSpec
    from pipelines.spec import AdaptSpec, Draw, EvaluateSpec, FewShotSpec, LearnSpec, TeachSpec

__all__ = [
    "AdaptSpec",
    "Draw",
    "EvaluateSpec",
    "FewShotPlan",
    "FewShotSpec",
    "LearnSpec",
    "TeachSpec",
    "TransferSpec",
]


def __getattr__(name: str) -> object:
    """Return a spec's class; see `__all__`."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    where = "plan" if name in {"FewShotPlan", "TransferSpec"} else "spec"
    return getattr(import_module(f"pipelines.{where}"), name)
