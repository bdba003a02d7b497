"""Where a prompt comes from: the tree of runs, prompts, data and backbone behind it."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from sqlalchemy import func, literal, select
from sqlalchemy.orm import Session, aliased

from pipelines.lookup import UnknownId, matches
from pipelines.tables import Backbone, Dataset, Prompt, Run, RunDataset, RunPrompt, Score

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


def tree(session: Session, given: str) -> Node:
    """Return the tree below a prompt or a run, given by its id or 6 or more digits of it.

    Raises:
        UnknownId: no prompt or run has this id, or several have.
    """
    prompts = matches(session, Prompt.sha, given)
    runs = matches(session, Run.id, given)
    if len(prompts) + len(runs) != 1:
        raise UnknownId("prompt or run", given, [*prompts, *runs])
    return _Family(session, prompts, runs).root()


def ancestors(session: Session, start: Sequence[str]) -> dict[str, int]:
    """Return each prompt behind the prompts `start`, with the generations between (0: itself)."""
    made, read = aliased(RunPrompt), aliased(RunPrompt)
    edge = (
        select(made.prompt_sha.label("child"), read.prompt_sha.label("parent"))
        .join(read, read.run_id == made.run_id)
        .where(made.role == "made", read.role != "made")
        .subquery("edge")
    )
    first = select(Prompt.sha.label("sha"), literal(0).label("depth")).where(Prompt.sha.in_(start))
    walk = first.cte("walk", recursive=True)
    further = select(edge.c.parent, walk.c.depth + 1).join(walk, edge.c.child == walk.c.sha)
    # UNION, not UNION ALL: it drops what is known already, so a mesh stays small.
    walk = walk.union(further.where(walk.c.depth < DEPTH))
    nearest = select(walk.c.sha, func.min(walk.c.depth)).group_by(walk.c.sha)
    return dict(session.execute(nearest).tuples().all())


class _Family:
    """All rows behind one prompt or run, read with one statement per table."""

    def __init__(self, session: Session, prompts: Sequence[str], runs: Sequence[str]) -> None:
        of_runs = select(RunPrompt.prompt_sha).where(RunPrompt.run_id.in_(runs))
        start = list(prompts) or list(session.scalars(of_runs.where(RunPrompt.role != "made")))
        shas = list(ancestors(session, start))
        makers = select(RunPrompt.run_id).where(
            RunPrompt.prompt_sha.in_(shas), RunPrompt.role == "made"
        )
        ids = [*runs, *session.scalars(makers)]
        self.start = (prompts, runs)
        self.prompts = {
            one.sha: one for one in session.scalars(select(Prompt).where(Prompt.sha.in_(shas)))
        }
        in_order = select(Run).where(Run.id.in_(ids)).order_by(Run.started_at, Run.id)
        self.runs = {one.id: one for one in session.scalars(in_order)}
        self.backbones = {one.sha: one for one in session.scalars(select(Backbone))}
        self.links = _by_run(session, ids)
        self.makers = defaultdict(list)
        for run_id in self.runs:
            for link in self.links[run_id]:
                if link.role == "made":
                    self.makers[link.prompt_sha].append(run_id)
        self.datasets = _datasets_by_run(session, ids)
        self.scores = _scores(session, ids, shas)
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
        return Node("run", run_id, role, title, tuple(facts), children, known)

    def read_by(self, run_id: str) -> list[Node]:
        reads = [link for link in self.links[run_id] if link.role != "made"]
        return [self.prompt(link.prompt_sha, link.role) for link in reads]


def _by_run(session: Session, ids: Sequence[str]) -> dict[str, list[RunPrompt]]:
    links = defaultdict(list)
    of_runs = select(RunPrompt).where(RunPrompt.run_id.in_(ids))
    for link in session.scalars(of_runs.order_by(RunPrompt.role, RunPrompt.prompt_sha)):
        links[link.run_id].append(link)
    return links


def _datasets_by_run(session: Session, ids: Sequence[str]) -> dict[str, list[Node]]:
    nodes = defaultdict(list)
    query = (
        select(RunDataset.run_id, RunDataset.role, Dataset)
        .join(Dataset, Dataset.sha == RunDataset.dataset_sha)
        .where(RunDataset.run_id.in_(ids))
        .order_by(RunDataset.role, Dataset.task)
    )
    for run_id, role, row in session.execute(query):
        facts = [("rows", str(row.num_rows)), ("origin", row.origin)]
        facts += [("revision", row.revision)] if row.revision else []
        title = f"{row.task} ({row.split})"
        nodes[run_id].append(Node("dataset", row.sha, role, title, tuple(facts)))
    return nodes


def _scores(
    session: Session, ids: Sequence[str], shas: Iterable[str]
) -> dict[str, list[tuple[str, str]]]:
    """Return the primary scores as facts, by prompt and by run."""
    facts = defaultdict(list)
    mine = Score.run_id.in_(ids) | Score.prompt_sha.in_(list(shas))
    query = select(Score).where(mine, Score.is_primary).order_by(Score.split.desc(), Score.id)
    for one in session.scalars(query):
        fact = (f"{one.split} {one.metric}", f"{one.value:.2f} (n={one.n})")
        facts[one.run_id].append(fact)
        if one.prompt_sha and fact not in facts[one.prompt_sha]:
            facts[one.prompt_sha].append(fact)
    return facts


def _backbone_node(row: Backbone) -> Node:
    facts = (("parameters", f"{row.parameters:,}"), ("hidden size", str(row.hidden_size)))
    return Node("backbone", row.sha, "on", f"backbone {row.name}", facts)
