"""`best` from lineage and from MLflow: `python -m benchmarks.best_vs_mlflow --prompts 10000`.

The same prompts are in both. First both sides are asked for every task: the answers must be equal.
Then some tasks are asked for, by each way in turn, in a warm process.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from sqlalchemy import create_engine, func, select

from benchmarks.lineage_bulk import fill as fill_lineage
from benchmarks.lineage_campaigns import BIG, EASY, SMALL
from benchmarks.lineage_timing import Timing, load, timed
from benchmarks.mlflow_bulk import fill as fill_mlflow
from flows.settings import Settings, prepare_environment
from pipelines.lineage import Lineage
from pipelines.mlflow_server import experiment_id, open_client
from pipelines.mlflow_version import all_pages
from pipelines.records import MULTITASK
from pipelines.registry import Registry
from pipelines.registry_tables import registrations
from pipelines.store import Store

SHARE = 1.4  # runs to a prompt, in `benchmarks.lineage_campaigns`
TASKS = (BIG, EASY, MULTITASK, SMALL)
TIMES = 20


class Both:
    """Lineage and MLflow with the same prompts, in one folder."""

    def __init__(self, home: Path) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.artifacts = home.resolve() / "mlflow"
        self.uri = f"sqlite:///{home.resolve()}/mlflow.db"
        self.lineage = Lineage.open(f"sqlite:///{home.resolve()}/lineage.db", home / "locks")
        store = Store(home / "store")
        self.registry = Registry(self.lineage, store, self.uri, self.artifacts)
        self.client = open_client(self.uri, self.lineage.database.engine, home / "locks")
        self.experiment = experiment_id(self.client, self.uri, self.artifacts)

    def fill(self, prompts: int, say: Callable[[str], None]) -> None:
        """Make about so many prompts, on both sides, unless there are some."""
        engine = self.lineage.database.engine
        if self.prompts():
            return
        fill_lineage(engine, round(prompts * SHARE), round(prompts * SHARE * 3), 0, say)
        self._close_all()
        engine = create_engine(self.uri)
        written = fill_mlflow(self.lineage, engine, self.experiment, self.artifacts.as_uri())
        engine.dispose()
        say(f"{written:,} prompts in MLflow")

    def _close_all(self) -> None:
        """Give the prompts that still wait for MLflow a version."""
        same = registrations.alias()
        highest = select(func.coalesce(func.max(same.c.version), 0) + 1)
        following = highest.where(same.c.model_name == registrations.c.model_name)
        with self.lineage.database.writing() as connection:
            waiting = select(registrations).where(registrations.c.version.is_(None))
            for one in connection.execute(waiting).all():
                mine = registrations.update().filter_by(prompt_sha=one.prompt_sha, task=one.task)
                closed = {"version": following.scalar_subquery(), "closed_at": one.reserved_at}
                connection.execute(mine.values(closed))

    def prompts(self) -> int:
        """Return how many prompts both sides have."""
        closed = registrations.c.version.is_not(None)
        with self.lineage.database.reading() as connection:
            counted = select(func.count()).select_from(registrations).where(closed)
            return int(connection.scalar(counted) or 0)

    def differing(self) -> list[str]:
        """Return the tasks for which the answers differ."""
        ours = {one.task: one for one in self.lineage.best_of_all()}
        theirs = {one.task: one for one in self.registry.best_of_all()}
        return sorted(
            task
            for task in ours.keys() | theirs.keys()
            if ours.get(task) != theirs.get(task)
            or {self.best_run(task), self.best_version(task)} != {ours[task].score}
        )

    def best_run(self, task: str) -> float:
        """Return the best score of a task as MLflow's search for runs has it."""
        client: MlflowClient = self.client
        found = client.search_runs(
            [self.experiment], f"tags.task = '{task}'", max_results=1,
            order_by=["metrics.validation_score DESC"],
        )  # fmt: skip
        return float(found[0].data.metrics["validation_score"])

    def best_version(self, task: str) -> float:
        """Return it as a search for versions has it, which cannot be sorted by a score."""
        found = all_pages(self.client.search_model_versions, f"tags.task = '{task}'")
        return max(float(one.tags["validation_score"]) for one in found)

    def times(self, task: str) -> dict[str, Timing]:
        """Return how long each way takes."""
        return timed(
            {
                "lineage": lambda at: self.lineage.best(task),
                "registry (search_logged_models)": lambda at: self.registry.best(task),
                "search_runs": lambda at: self.best_run(task),
                "search_model_versions": lambda at: self.best_version(task),
            },
            TIMES,
        )


def main() -> None:
    """Compare the two; exit with 1 if they do not agree."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=int, default=10_000)
    parser.add_argument("--home", type=Path, default=Path("benchmarks/out/best"))
    parser.add_argument("--json", type=Path, help="where the figures go")
    args = parser.parse_args()
    prepare_environment(Settings(home=args.home))
    both = Both(args.home)
    both.fill(args.prompts, say=print)
    print(f"{both.prompts():,} prompts")
    if differing := both.differing():
        sys.exit(f"the answers differ for {', '.join(differing)}")
    found: dict[str, Any] = {"prompts": both.prompts(), "load": load()}
    for task in (one for one in TASKS if both.lineage.best(one)):
        found[task] = times = both.times(task)
        print(f"\n{task}")
        for name, one in times.items():
            print(f"  {name:32} {one}  x {one.median / times['lineage'].median:.1f}")
    if args.json:
        args.json.write_text(json.dumps(found, indent=1, default=Timing._asdict))


if __name__ == "__main__":
    main()
