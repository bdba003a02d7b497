"""A row of a task, to show what one looks like: written here, from no dataset."""

from collections.abc import Mapping
from typing import Any

from tasks.task import Row, Task
from tasks.unlabelled import columns

TEXT = "The meeting was moved to Friday."
CELLS: Mapping[str, Any] = {
    "answer": "on Friday",
    "choice1": "The room was taken on Monday.",
    "choice2": "The coffee was cold.",
    "content": "A bakery on the harbour, opened by two sisters.",
    "context": "Anna moved the meeting from Monday to Friday . Ben will bring the plans .",
    "entities": ["Anna", "Ben"],
    "hypothesis": "The meeting is on Friday.",
    "input": ["meeting | day | Friday"],
    "meaning_representation": "name[Harbour Bakery], food[bread]",
    "option1": "Anna",
    "option2": "Ben",
    "paragraph": "Anna moved the meeting from Monday to Friday. Ben will bring the plans.",
    "passage": "Anna moved the meeting from Monday to Friday. Ben will bring the plans.",
    "premise": "Anna moved the meeting from Monday to Friday.",
    "query": "The plans are brought by @placeholder.",
    "question": "when is the meeting ?",
    "question1": "When is the meeting?",
    "question2": "On which day do we meet?",
    "sentence2": "We meet on Friday.",
    "span1_index": 0,
    "span1_text": "Anna",
    "span2_index": 5,
    "span2_text": "she",
    "title": "Harbour Bakery",
    "word": "meeting",
    "words": "ship boat anchor",
}
WSC = {"text": "Anna moved the meeting because she was ill."}
"""Where the spans of `CELLS` stand."""


def sample(task: Task) -> Row:
    """Return a row with the columns that the model reads."""
    cells = {**CELLS, **WSC} if task.name.startswith("wsc") else CELLS
    return {column: cells.get(column, TEXT) for column in columns(task)}
