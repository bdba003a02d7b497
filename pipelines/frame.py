"""The best prompts as a table of pandas."""

from dataclasses import asdict

import pandas

from pipelines.best import ALL, Best, Wanted, best_of_all, ranking
from pipelines.lineage import Lineage


def best_prompts(
    lineage: Lineage, task: str | None = None, wanted: Wanted = ALL, limit: int = 1
) -> pandas.DataFrame:
    """Return the best prompts for `task`, or for each task, as a table with the fields of `Best`.

    Args:
        lineage: where to look.
        task: the task; None is each task.
        wanted: which prompts may be best.
        limit: how many of each task.
    """
    with lineage.database.asking() as reader:
        names = [task] if task else [one.task for one in best_of_all(reader, wanted)]
        found = [one for name in names for one in ranking(reader, name, wanted, limit)]
    columns = list(Best.__annotations__)
    return pandas.DataFrame([asdict(one) for one in found], columns=columns)
