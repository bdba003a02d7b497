"""Trees of lineage on stdout, for people."""

from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape

from flows.columns import shown
from pipelines.ancestry import Node

MANY = 20  # things beneath one that are printed; the others are counted
GUIDES = ("├── ", "│   ", "└── ", "    ")
PLAIN = ("+-- ", "|   ", "`-- ", "    ")
"""Where stdout cannot take lines."""
READ_BY = {
    **{role: f"read as {role} by" for role in ("train", "validation", "test")},
    **{role: f"read as {role} by" for role in ("teacher", "source", "front")},
    "evaluated": "evaluated by",
    "exported": "exported by",
}
"""What a run beneath a thing is to it, by what the thing is to the run."""


def show_tree(node: Node) -> None:
    """Print an ancestry, or a descent; a line for each thing, however long it is."""
    console = Console()
    guides = PLAIN if console.options.ascii_only else GUIDES
    for line in _lines(node, "", guides):
        console.print(line, highlight=False, soft_wrap=True)


def _lines(node: Node, before: str, guides: tuple[str, ...]) -> Iterator[str]:
    yield _label(node)
    shown, more = node.children[:MANY], len(node.children) - MANY
    fork, past, last, blank = guides
    for at, child in enumerate(shown, 1):
        ends = at == len(shown) and more <= 0
        first, *others = _lines(child, before + (blank if ends else past), guides)
        yield f"{before}{last if ends else fork}{first}"
        yield from others
    if more > 0:
        yield f"{before}{last}[dim]and {more:,} more, which --csv and --json print[/]"


def _label(node: Node) -> str:
    role = READ_BY.get(node.role, node.role) if node.type == "run" else node.role
    again = " (see above)" if node.repeated else ""
    facts = f" [dim]{_text(', '.join(node.facts))}[/]" if node.facts else ""
    return f"[dim]{role}:[/] [bold]{_text(node.title)}[/] {node.id[:12]}{facts}{again}"


def _text(said: str) -> str:
    return escape(shown(said))
