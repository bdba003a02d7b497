"""Where each flow is, by the name that a server knows it by. Flows are imported when asked for."""

from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prefect import Flow

FLOWS = {
    "few-shot": "flows.few_shot.few_shot",
    "adapt-target": "flows.transfer.adapt_target",
    "adapt-group": "flows.transfer.adapt_group",
    "evaluate": "flows.evaluation.evaluate",
    "learn-source": "flows.transfer.learn_source",
    "transfer": "flows.transfer.transfer",
    "reconcile": "flows.upkeep.reconcile",
}


class UnknownFlow(LookupError):
    """No flow has this name."""

    def __init__(self, name: str) -> None:
        near = get_close_matches(name, FLOWS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"the flows are {', '.join(FLOWS)}"
        super().__init__(f"no flow is named {name!r}: {hint}")


def flow_named(name: str) -> "Flow[..., Any]":
    """Return a flow.

    Raises:
        UnknownFlow: none has this name.
    """
    if name not in FLOWS:
        raise UnknownFlow(name)
    module, _, function = FLOWS[name].rpartition(".")
    found: Flow[..., Any] = getattr(import_module(module), function)
    return found
