"""NLP tasks as data: where the rows come from, how they read as text, how answers score."""

from tasks.data import Data, digest, load
from tasks.metrics import majority
from tasks.registry import UnknownTask, all_tasks, get, names
from tasks.task import Example, Generated, Hub, Metric, Row, Splits, Task

__all__ = [
    "Data",
    "Example",
    "Generated",
    "Hub",
    "Metric",
    "Row",
    "Splits",
    "Task",
    "UnknownTask",
    "all_tasks",
    "digest",
    "get",
    "load",
    "majority",
    "names",
]
