"""What was right: kept beside the answers, so that a score can be taken again without the rows."""

import json
from collections.abc import Sequence

from pipelines.store import Store
from tasks import Example


def keep(examples: Sequence[Example], store: Store) -> str:
    """Store the right answers of `examples`, and what is scored together; return the digest."""
    return store.put(json.dumps([[one.answers, one.group] for one in examples]).encode())


def load(sha: str, store: Store) -> list[Example]:
    """Return what `keep` stored, as examples without an input.

    Raises:
        MissingContent, CorruptContent: the store does not have it as it was.
    """
    kept = json.loads(store.get(sha))
    return [Example("", tuple(answers), group) for answers, group in kept]
