"""Where something comes from, and what came of it: a tree of runs, prompts, data and backbones."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from pipelines.reader import Reader
from pipelines.statements import Answer, ask
from pipelines.things import find

Link = dict[str, Any]
"""A row of `sql/ancestry.sql` or `sql/descent.sql`."""

ORDER = (
    "run", "dataset", "prompt", "predictions", "adapter", "checkpoint", "template", "backbone"
)  # fmt: skip
"""Of what stands beneath one thing."""


@dataclass(frozen=True)
class Node:
    """One thing in the tree, with what it came from, or what came of it, below it."""

    type: str
    """prompt, run, dataset, backbone, template, checkpoint, adapter or predictions."""
    id: str
    role: str
    """What it is to the node above: made by, teacher, source, train, ..."""
    title: str
    """In a few words, as text without markup: `target prompt for rte`."""
    facts: tuple[str, ...] = ()
    children: tuple["Node", ...] = ()
    repeated: bool = False
    """Its children stand elsewhere in the tree, where it came first."""


def tree(reader: Reader, given: str) -> Node:
    """Return the tree of what a thing was made from, by its id or 6 or more digits of it.

    Raises:
        UnknownId: nothing has this id, or several things have.
    """
    links = ask(reader, "ancestry", {"id": find(reader, given).id})
    return to_tree(links)


def to_tree(links: Answer) -> Node:
    """Return the tree that an ancestry or a descent tells."""
    return _Family(links.records()).root()


class _Family:
    """All links, by what they hang on; a thing that hangs on several is told once."""

    def __init__(self, links: list[Link]) -> None:
        self.below: defaultdict[str | None, list[Link]] = defaultdict(list)
        self.scores: defaultdict[str, list[str]] = defaultdict(list)
        for link in links:
            if link["type"] == "score":
                self._score(link)
            else:
                self.below[link["of_id"]].append(link)
        self.seen: set[str] = set()

    def _score(self, link: Link) -> None:
        fact = f"{link['role']} {link['title']} {link['value']:.2f} (n={link['n']})"
        for told in dict.fromkeys((link["id"], link["of_id"])):  # of the run, and of the prompt
            if fact not in self.scores[told]:
                self.scores[told].append(fact)

    def root(self) -> Node:
        (asked,) = self.below[None]
        return self.node(asked)

    def node(self, link: Link) -> Node:
        known = link["id"] in self.seen
        self.seen.add(link["id"])
        beneath = sorted(self.below[link["id"]], key=lambda one: ORDER.index(one["type"]))
        return Node(
            type=link["type"],
            id=link["id"],
            role=link["role"],
            title=link["title"],
            facts=(*_facts(link), *self.scores[link["id"]]),
            children=() if known else tuple(self.node(one) for one in beneath),
            repeated=known and bool(beneath),
        )


def _facts(link: Link) -> list[str]:
    began = link["started_at"] and f"started {link['started_at'].isoformat(timespec='seconds')}"
    return [one for one in (link["status"], link["detail"], began) if one]
