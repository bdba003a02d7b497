"""NLP tasks as data: where the rows come from, how they read as text, how answers score."""

from tasks.data import Data, digest, load, stamp
from tasks.find import find, is_file
from tasks.metrics import majority
from tasks.registry import UnknownTask, all_tasks, get, names
from tasks.task import Example, Files, Generated, Hub, Metric, Row, Splits, Task

__all__ = [
    "Data",
    "Example",
    "Files",
    "Generated",
    "Hub",
    "Metric",
    "Row",
    "Splits",
    "Task",
    "UnknownTask",
    "all_tasks",
    "digest",
    "find",
    "get",
    "is_file",
    "load",
    "majority",
    "names",
    "stamp",
]
