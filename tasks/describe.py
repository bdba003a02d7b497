"""What a task is, in words for people and scripts."""

from tasks import hub
from tasks.task import Files, Generated, Hub


def origin(source: Hub | Generated | Files) -> str:
    """Return where rows come from: `owner/name subset @ commit`, files, or a seed."""
    if isinstance(source, Generated):
        return f"generated, seed {source.seed}"
    if isinstance(source, Files):
        return ", ".join(dict.fromkeys(source.names.values()))
    return f"{hub.title(source)} @ {source.revision or 'newest'}"
