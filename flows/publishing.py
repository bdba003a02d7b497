"""Letting the gate judge what is new, and telling the model registry what lineage has."""

from flows.settings import open_registry


def publish() -> str:
    """Judge all new prompts, then tell the model registry; return what went wrong, or nothing.

    SQL has them already, and the next that publishes does what this could not.
    """
    from pipelines.locks import Busy
    from pipelines.mlflow_server import RegistryDown
    from pipelines.promotion import review

    with open_registry() as registry:
        try:
            judged = review(registry.lineage, registry.store)
            published = registry.publish_pending()
        except (RegistryDown, Busy) as error:
            return str(error)
    return "; ".join((judged.failed | published.failed).values())
