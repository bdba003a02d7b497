"""A task proposed for a file: a guess, written down for its owner to mend."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from tasks import registry
from tasks.own import yaml_file
from tasks.own.definition import RESERVED, SEVERAL, Definition
from tasks.own.look import Column, look, rows
from tasks.own.reading import listed
from tasks.own.yaml_file import BadDefinition
from tasks.task import Files

# What people call the column of the answer, the likeliest first.
ANSWERS = (
    "label", "labels", "class", "category", "sentiment", "target", "answer", "answers", "intent",
    "topic", "gold", "correct", "score", "rating", "stars", "tags", "output", "y",
)  # fmt: skip
CHOICES = re.compile(r"(?i)(|choice|option|ending|alternative|candidate|answer)[ _-]*([a-h]|\d)")
TEXTS = re.compile(r"(?i)(text|question|context|passage|premise|hypothesis|title|sentence)\d*")
IDS = re.compile(r"(?i)(|.*[ _-])(id|idx|index|uuid|nr|no)|unnamed.*")
LABELS = 50  # different answers at most that are labels
STEPS = 25  # STS-B's: from 0 to 5 by 0.2
COMMENTS = {
    "name": "how lineage and the registry call it; another name is another task",
    "files": "beside this file; a `validation:` and a `test:` of their own may stand here too",
    "encoding": "a guess, for it is not UTF-8: see the letters by `tasks FILE.yaml --show 3`",
    "held_out": "share of the rows for validation, and again for test",
    "template": "what the model reads: {column} is the row's text",
    "answer": "the column with the answer",
    "labels": "what stands in that column, and the word that the model writes for it",
    "choices": "the word that the model writes, and the choice's column",
    "numbers": "answers are rounded to these steps",
    "metric": "what the best prompt is chosen by",
}


class NoAnswer(ValueError):
    """It cannot be told which column is the answer, or a model could not learn to write it."""

    def __init__(self, file: str, problem: str) -> None:
        super().__init__(f"{file}: {problem}")


def propose(path: Path, to: Path, answer: str | None) -> str:
    """Return the text of a YAML file `to` for the rows in `path`; nothing is written.

    Args:
        path: the rows.
        to: where the text is to stand; the task is called like it.
        answer: the column of the answer; None is a guess.

    Raises:
        BadFile: the rows cannot be read.
        NoAnswer: no column can be the answer, or the one that is asked for holds several labels.
        BadDefinition: the rows are not in the folder of `to` or below it, or it is no YAML file.
    """
    if to.suffix not in {".yaml", ".yml"}:
        raise BadDefinition(to, "the name of a task's file must end in .yaml")
    try:
        place = path.resolve().relative_to(to.parent.resolve())
    except ValueError:
        raise BadDefinition(
            to, f"a task stands in the folder of its rows, so that both move together: give --to "
            f"{path.parent / to.name}"
        ) from None  # fmt: skip
    source, columns = look(path)
    column = _answer(path.name, columns, answer)
    values: dict[str, Any] = {"name": called(to.stem), "files": {"train": place.as_posix()}}
    if source.encoding != "utf-8":
        values["encoding"] = source.encoding
    if source.delimiter != ",":
        values["delimiter"] = source.delimiter
    values |= {"held_out": 0.15, **_kind(column, columns, source)}
    head = f"# Proposed after a look at {path.name!a}: a guess. Mend it, then\n"
    return written(head + f"#   prompt-transfer tasks check {to.name}\n", to, values)


def written(head: str, to: Path, values: Mapping[str, Any]) -> str:
    """Return a definition as the text of the file `to`: `head`, then each key with a comment.

    Raises:
        BadDefinition: a value in it is wrong.
    """
    text = head
    for key, value in values.items():
        comment = f"# {COMMENTS[key]}\n" if key in COMMENTS else ""
        text += comment + yaml.safe_dump(
            {key: value}, sort_keys=False, allow_unicode=True, width=2**20
        )
    Definition.check(to, yaml_file.parse(to, text))
    return text


def called(stem: str) -> str:
    """Return what a task may be called whose file has this name."""
    slug = re.sub(r"[^a-z0-9]+", "_", stem.lower()).strip("_")[:60] or "task"
    return f"my_{slug}" if registry.has(slug) or slug in RESERVED else slug


def _answer(file: str, columns: Sequence[Column], asked: str | None) -> Column:
    named = {column.name: column for column in columns}
    if asked is not None and asked not in named:
        raise NoAnswer(file, f"it has no column {asked!r}, it has {listed(list(named))}")
    lower = {column.name.lower(): column for column in columns}
    known = [lower[name] for name in ANSWERS if name in lower]
    few = [one for one in columns if 2 <= len(one.values) <= min(LABELS, one.rows // 3)]
    found = [named[asked]] if asked is not None else [*known, *few[::-1]]
    if not found or len(columns) < 2:
        raise NoAnswer(
            file, f"which column is the answer? Name it by --answer; it has {listed(list(named))}"
        )
    if several := _several(found[0]):
        raise NoAnswer(
            file, f"column {found[0].name!r} holds several labels in a cell ({several}): that is "
            "not supported; make a column of yes and no for each label, and a task of each"
        )  # fmt: skip
    return found[0]


def _several(column: Column) -> str:
    """Return a cell that holds several labels, or nothing."""
    if column.listed and column.values and column.rows > 3 * len(column.values):
        return "lists"
    parts = {value: _parts(value) for value in column.values}
    pool = Counter(part for some in parts.values() for part in some)
    for value, some in parts.items():
        # Running text has commas too, but its parts do not stand elsewhere.
        if len(some) > 1 and all(pool[part] > 1 for part in some):
            return repr(value)[:60]
    return ""


def _parts(value: str) -> list[str]:
    return [part.strip(" '\"") for part in SEVERAL.split(value.strip("[]{}"))]


def _kind(answer: Column, columns: Sequence[Column], source: Files) -> dict[str, Any]:
    others = [one for one in columns if one.name != answer.name]
    if chosen := _choices(answer, others, source):
        return chosen
    said: dict[str, Any] = {"template": _template(others), "answer": answer.name}
    if answer.numeric and (answer.many or not answer.whole or len(answer.values) > LABELS):
        return said | {"numbers": _numbers(answer), "metric": "pearson"}
    if answer.many or not 2 <= len(answer.values) <= LABELS or 2 * len(answer.values) > answer.rows:
        return said | {"metric": "f1", "max_answer": 32}
    uneven = max(answer.values.values()) > 0.7 * answer.rows
    return said | {"labels": _words(answer), "metric": "macro_f1" if uneven else "accuracy"}


def _template(columns: Sequence[Column]) -> str:
    texts = [one for one in columns if not one.numeric and not IDS.fullmatch(one.name)]
    # Dates, names and the like are one word a cell; what is to be judged has more.
    long = [one for one in texts if one.words > 1.5 * one.rows or TEXTS.fullmatch(one.name)]
    shown = [one.name for one in long or texts or columns if not re.search("[{}]", one.name)]
    return " ".join(f"{name}: {{{name}}}" for name in shown)


def _words(answer: Column) -> dict[str, str]:
    values = sorted(answer.values)
    lower = {value: value.lower() for value in values}
    return lower if len(set(lower.values())) == len(values) else {one: one for one in values}


def _numbers(answer: Column) -> dict[str, float]:
    width = (answer.high - answer.low) / STEPS
    exact = [digit * 10.0**power for power in range(-9, 10) for digit in (1, 2, 5)]
    step = float(f"{min(exact, key=lambda one: abs(one - width)):.1g}")
    far = 5 * step  # other rows may go a little further
    low, high = answer.low // far * far + 0.0, -(-answer.high // far) * far + 0.0
    return {"low": float(f"{low:.12g}"), "high": float(f"{high:.12g}"), "step": step}


def _choices(answer: Column, others: Sequence[Column], source: Files) -> dict[str, Any]:
    """Return a multiple choice, if there are columns called like choices and the answer is one."""
    found = [one.name for one in others if CHOICES.fullmatch(one.name)]
    if len(found) < 2:
        return {}
    words = {f"choice{at}": name for at, name in enumerate(found, 1)}
    text = _template([one for one in others if one.name not in found])
    listing = " ".join(f"{word}: {{{name}}}" for word, name in words.items())
    said = {"template": f"{text} {listing}".strip(), "answer": answer.name, "choices": words}
    marks = [str(CHOICES.fullmatch(name)[2]) for name in found]  # type: ignore[index]
    places = [str(at) for at in range(len(found))]
    lower, upper = ([turn(one) for one in marks] for turn in (str.lower, str.upper))
    for names in (found, marks, lower, upper, places):
        if set(answer.values) <= set(names) and answer.values:
            labels = dict(zip(names, words, strict=True))
            return said | {"labels": labels, "metric": "accuracy"}
    some = list(islice(rows(source), 100))
    if all(any(row.get(name) == row.get(answer.name) for name in found) for row in some):
        return said | {"metric": "accuracy"}
    return {}
