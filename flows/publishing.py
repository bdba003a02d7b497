"""Showing what lineage has to the model registry."""

from flows.settings import open_registry


def publish() -> str:
    """Show all finished prompts to the model registry; return what went wrong, or nothing.

    SQL has them already, and the next that publishes does what this could not.
    """
    from pipelines.locks import Busy
    from pipelines.mlflow_server import RegistryDown

    with open_registry() as registry:
        try:
            registry.publish_pending()
        except (RegistryDown, Busy) as error:
            return str(error)
    return ""
