"""Letting the gate judge what is new, and telling other systems what lineage has."""

import logging
from typing import TYPE_CHECKING

from flows.events import tell_champions
from flows.settings import Settings, open_registry

if TYPE_CHECKING:
    from pipelines.lineage import Lineage
    from pipelines.relay import Delivered

logger = logging.getLogger(__name__)


def publish() -> str:
    """Judge all new prompts, then tell the model registry; return what went wrong, or nothing.

    SQL has them already, and the next that publishes does what this could not.
    """
    from pipelines.locks import Busy
    from pipelines.mlflow_server import RegistryDown
    from pipelines.promotion import review

    with open_registry() as registry:
        if unsent := send_events(registry.lineage).failed:
            # Not among what went wrong: that is about prompts.
            logger.warning("%d not sent: %s", len(unsent), next(iter(unsent.values())))
        try:
            judged = review(registry.lineage, registry.store)
            tell_champions(judged.told)
            published = registry.publish_pending()
        except (RegistryDown, Busy) as error:
            return str(error)
    return "; ".join((judged.failed | published.failed).values())


def send_events(lineage: "Lineage") -> "Delivered":
    """Send the events of OpenLineage that are due, if they are asked for; nothing is raised."""
    from pipelines.locks import Busy
    from pipelines.relay import Delivered

    where = Settings.read().openlineage
    if not where:
        return Delivered()
    from pipelines import event_endpoint  # half a second, which few pay

    try:
        return event_endpoint.send_events(lineage, where)
    except (event_endpoint.EndpointDown, Busy) as error:
        return Delivered(failed={"events": str(error)})
