"""Where a prompt comes from: the tree of runs, prompts, data and backbone behind it."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Row, func, literal, select

from pipelines.lookup import UnknownId, matches
from pipelines.tables import (
    backbones,
    datasets,
    draws,
    prompts,
    run_datasets,
    run_prompts,
    runs,
    scores,
)

DEPTH = 64  # generations; a real prompt has three, and a cycle must end somewhere


@dataclass(frozen=True)
class Node:
    """One thing in the tree, with what it came from below it."""

    type: Literal["prompt", "run", "dataset", "backbone"]
    id: str
    role: str
    """What it was to the node above: made by, teacher, source, train, ..."""
    title: str
    """In a few words, as text without markup: `target prompt for rte`."""
    facts: tuple[tuple[str, str], ...] = ()
    children: tuple["Node", ...] = ()
    repeated: bool = False
    """Its children stand elsewhere in the tree, where it came first."""


def to_json(node: Node) -> dict[str, Any]:
    """Return the tree as plain JSON values; facts become an object."""
    values = asdict(node)
    values["facts"] = dict(node.facts)
    values["children"] = [to_json(child) for child in node.children]
    return values


def tree(connection: Connection, given: str) -> Node:
    """Return the tree below a prompt or a run, given by its id or 6 or more digits of it.

    Raises:
        UnknownId: no prompt or run has this id, or several have.
    """
    shas = matches(connection, prompts.c.sha, given)
    ids = matches(connection, runs.c.id, given)
    if len(shas) + len(ids) != 1:
        raise UnknownId("prompt or run", given, [*shas, *ids])
    return _Family(connection, shas, ids).root()


def ancestors(connection: Connection, start: Sequence[str]) -> dict[str, int]:
    """Return each prompt behind the prompts `start`, with the generations between (0: itself)."""
    made, read = run_prompts.alias(), run_prompts.alias()
    edge = (
        select(made.c.prompt_sha.label("child"), read.c.prompt_sha.label("parent"))
        .join(read, read.c.run_id == made.c.run_id)
        .where(made.c.role == "made", read.c.role != "made")
        .subquery("edge")
    )
    first = select(prompts.c.sha, literal(0).label("depth")).where(prompts.c.sha.in_(start))
    walk = first.cte("walk", recursive=True)
    further = select(edge.c.parent, walk.c.depth + 1).join(walk, edge.c.child == walk.c.sha)
    # UNION, not UNION ALL: it drops what is known already, so a mesh stays small.
    walk = walk.union(further.where(walk.c.depth < DEPTH))
    nearest = select(walk.c.sha, func.min(walk.c.depth)).group_by(walk.c.sha)
    return dict(connection.execute(nearest).tuples().all())


class _Family:
    """All rows behind one prompt or run, read with one statement per table."""

    def __init__(self, connection: Connection, shas: Sequence[str], ids: Sequence[str]) -> None:
        self.start = (shas, ids)
        read = select(run_prompts.c.prompt_sha).where(run_prompts.c.run_id.in_(ids))
        nearest = list(shas) or list(connection.scalars(read.where(run_prompts.c.role != "made")))
        family = list(ancestors(connection, nearest))
        makers = select(run_prompts.c.run_id).where(
            run_prompts.c.prompt_sha.in_(family), run_prompts.c.role == "made"
        )
        run_ids = [*ids, *connection.scalars(makers)]
        behind = select(prompts).where(prompts.c.sha.in_(family))
        self.prompts = {one.sha: one for one in connection.execute(behind)}
        in_order = select(runs).where(runs.c.id.in_(run_ids)).order_by(runs.c.started_at, runs.c.id)
        self.runs = {one.id: one for one in connection.execute(in_order)}
        self.backbones = {one.sha: one for one in connection.execute(select(backbones))}
        self.links = _by_run(connection, run_ids)
        self.makers = defaultdict(list)
        for run_id in self.runs:
            for link in self.links[run_id]:
                if link.role == "made":
                    self.makers[link.prompt_sha].append(run_id)
        self.datasets = _datasets_by_run(connection, run_ids)
        self.scores = _scores(connection, run_ids, family)
        self.seen: set[str] = set()

    def root(self) -> Node:
        prompts, runs = self.start
        return self.run(runs[0], "asked for") if runs else self.prompt(prompts[0], "asked for")

    def prompt(self, sha: str, role: str) -> Node:
        row = self.prompts[sha]
        facts = [("tokens", str(row.num_tokens))]
        facts += [("rank", str(row.rank))] if row.rank else []
        facts += self.scores[sha]
        known = sha in self.seen
        self.seen.add(sha)
        backbone = self.backbones[row.backbone_sha]
        children = () if known else (*self.made_by(sha), _backbone_node(backbone))
        title = f"{row.kind} prompt for {row.task}"
        return Node("prompt", sha, role, title, tuple(facts), children, known)

    def made_by(self, sha: str) -> list[Node]:
        return [self.run(run_id, "made by") for run_id in self.makers[sha]]

    def run(self, run_id: str, role: str) -> Node:
        row = self.runs[run_id]
        facts = [("status", row.status), ("seed", str(row.seed)), ("attempt", str(row.attempt))]
        facts += [("started", row.started_at.isoformat(timespec="seconds"))]
        facts += self.scores[run_id]
        known = run_id in self.seen
        self.seen.add(run_id)
        children = () if known else (*self.datasets[run_id], *self.read_by(run_id))
        title = f"{row.stage} {row.task}"
        if row.stage == "baseline":  # no prompt names its backbone
            title = f"{title} by {row.spec['method']}"
            children = (*children, _backbone_node(self.backbones[row.backbone_sha]))
        return Node("run", run_id, role, title, tuple(facts), children, known)

    def read_by(self, run_id: str) -> list[Node]:
        reads = [link for link in self.links[run_id] if link.role != "made"]
        return [self.prompt(link.prompt_sha, link.role) for link in reads]


def _by_run(connection: Connection, ids: Sequence[str]) -> dict[str, list[Row[Any]]]:
    links = defaultdict(list)
    of_runs = select(run_prompts).where(run_prompts.c.run_id.in_(ids))
    in_order = of_runs.order_by(run_prompts.c.role, run_prompts.c.prompt_sha)
    for link in connection.execute(in_order):
        links[link.run_id].append(link)
    return links


def _datasets_by_run(connection: Connection, ids: Sequence[str]) -> dict[str, list[Node]]:
    nodes = defaultdict(list)
    query = (
        select(run_datasets.c.run_id, run_datasets.c.role, datasets)
        .join(datasets, datasets.c.sha == run_datasets.c.dataset_sha)
        .where(run_datasets.c.run_id.in_(ids))
        .order_by(run_datasets.c.role, datasets.c.task)
    )
    for row in connection.execute(query):
        facts = [("rows", str(row.num_rows)), ("origin", row.origin)]
        facts += _draw_facts(connection, row.sha)
        facts += [("revision", row.revision)] if row.revision else []
        title = f"{row.task} ({row.split})"
        nodes[row.run_id].append(Node("dataset", row.sha, row.role, title, tuple(facts)))
    return nodes


def _draw_facts(connection: Connection, dataset_sha: str) -> list[tuple[str, str]]:
    """Return how a few examples were drawn; two seeds may have drawn the same ones."""
    mine = select(draws).where(draws.c.dataset_sha == dataset_sha).order_by(draws.c.seed)
    return [
        ("drawn", f"{one.shots} shots{' per class' if one.per_class else ''}, seed {one.seed}")
        for one in connection.execute(mine)
    ]


def _scores(
    connection: Connection, ids: Sequence[str], shas: Iterable[str]
) -> dict[str, list[tuple[str, str]]]:
    """Return the primary scores as facts, by prompt and by run."""
    facts = defaultdict(list)
    mine = scores.c.run_id.in_(ids) | scores.c.prompt_sha.in_(list(shas))
    primary = select(scores).where(mine, scores.c.is_primary)
    for one in connection.execute(primary.order_by(scores.c.split.desc(), scores.c.id)):
        fact = (f"{one.split} {one.metric}", f"{one.value:.2f} (n={one.n})")
        facts[one.run_id].append(fact)
        if one.prompt_sha and fact not in facts[one.prompt_sha]:
            facts[one.prompt_sha].append(fact)
    return facts


def _backbone_node(row: Row[Any]) -> Node:
    facts = (("parameters", f"{row.parameters:,}"), ("hidden size", str(row.hidden_size)))
    return Node("backbone", row.sha, "on", f"backbone {row.name}", facts)
